import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The part of a notebook's file that is read here. */
interface Cell {
  execution_count: number | null;
  source: string[] | string;
  outputs?: { output_type: string; traceback?: string[] }[];
}

/**
 * Runs a notebook's cells in order, and writes the notebook with what they showed, also where one fails or the run is
 * stopped. SIGINT and SIGTERM stop it, and so does the end of this process: training writes a checkpoint.
 *
 * @param notebook Path of the notebook.
 * @param executed Path of the executed one.
 * @throws {Error} When it does not run to its end; the message has the cell with its lines, and the error with its own.
 */
export async function executeNotebook(notebook: string, executed: string): Promise<void> {
  await Deno.remove(executed).catch(() => {}); // what is there afterwards is of this run
  const child = new Deno.Command(`${root}.venv/bin/python`, {
    args: [`${root}notebooks/execute.py`, notebook, executed],
    stdout: "null",
    stderr: "piped",
    detached: true, // Ctrl-C in a terminal reaches a whole group, and would come twice
  }).spawn();
  let stopped = false;
  const stop = () => {
    if (!stopped) child.kill("SIGINT");
    stopped = true;
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, stop);
  const { success, stderr } = await child.output();
  for (const signal of signals) Deno.removeSignalListener(signal, stop);
  if (success) return;
  const name = notebook.split("/").at(-1)!.replace(/\.ipynb$/, "");
  if (stopped) throw new Error(`Cannot finish ${name} as it was stopped`);
  const { cells }: { cells: Cell[] } = JSON.parse(
    await Deno.readTextFile(executed).catch(() => '{"cells":[]}'),
  );
  const log = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
  throw new Error(failedCell(name, cells) ?? `Cannot finish ${name}: ${log}`);
}

function failedCell(name: string, cells: Cell[]): string | undefined {
  for (const { execution_count, source, outputs = [] } of cells) {
    const error = outputs.find(({ output_type }) => output_type === "error");
    if (!error) continue;
    const lines = [source].flat().join("").split("\n");
    const width = `${lines.length}`.length;
    const numbered = lines.map((line, i) => `  ${`${i + 1}`.padStart(width)} | ${line}`.trimEnd());
    const message = stripVTControlCharacters((error.traceback ?? []).join("\n"));
    return `Cannot finish ${name} as its cell [${execution_count}] failed:\n\n${
      numbered.join("\n")
    }\n\n${message}\n`;
  }
}
