/**
 * Shows one line after another: in place on a terminal, below each other in a log.
 *
 * @param terminal Whether standard output is a terminal.
 * @returns Shows a line, or removes the last one from the terminal.
 */
export function progressLine(terminal = Deno.stdout.isTerminal()): (line?: string) => void {
  return (line) => {
    if (!terminal) {
      if (line !== undefined) console.log(line);
      return;
    }
    const width = (Deno.consoleSize().columns || 80) - 1; // 0 where the terminal does not say
    // Back to the line's start, and clear it (ECMA-48: CR, EL). A longer line would wrap.
    Deno.stdout.writeSync(
      new TextEncoder().encode(`\r\x1b[K${line?.slice(0, width) ?? ""}`),
    );
  };
}
