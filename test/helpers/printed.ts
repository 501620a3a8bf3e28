/** What a function prints on the console, line by line. */
export async function printed(act: () => Promise<unknown>): Promise<string> {
  const { log, warn } = console;
  const lines: string[] = [];
  console.log = console.warn = (line: string) => lines.push(line);
  try {
    await act();
  } finally {
    Object.assign(console, { log, warn });
  }
  return lines.join("\n");
}
