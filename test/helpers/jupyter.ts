/** A message that a notebook cell sent to Jupyter. */
export interface Message {
  type: string;
  content: { data: Record<string, string>; transient: { display_id: string } };
}

/** Runs `cell` as a notebook's kernel would, and returns the messages that it sent. */
export async function inJupyter(cell: () => Promise<void>): Promise<Message[]> {
  const messages: Message[] = [];
  const broadcast = (type: string, content: Message["content"]) => {
    messages.push({ type, content: structuredClone(content) });
    return Promise.resolve();
  };
  const deno = Deno as unknown as { jupyter: unknown };
  deno.jupyter = { broadcast };
  try {
    await cell();
  } finally {
    deno.jupyter = undefined;
  }
  return messages;
}

/** Runs `work` and returns the lines that it printed. */
export async function printed(work: () => Promise<void>): Promise<string> {
  const lines: string[] = [];
  const log = console.log;
  console.log = (line: string) => lines.push(line);
  try {
    await work();
  } finally {
    console.log = log;
  }
  return lines.join("\n");
}
