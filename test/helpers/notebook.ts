/** A notebook of 150 cells that print, show and wait, and what each of them must leave behind. */

import { stripVTControlCharacters } from "node:util";
import { fileURLToPath } from "node:url";

interface Output {
  output_type: string;
  text?: string | string[];
  data?: Record<string, string | string[]>;
}

interface Cell {
  cell_type: "code";
  id: string;
  source: string;
  metadata: Record<string, never>;
  execution_count: number | null;
  outputs: Output[];
}

export interface Notebook {
  cells: Cell[];
}

export const root = fileURLToPath(new URL("../../", import.meta.url));
export const jupyter = `${root}.venv/bin/jupyter`;

export function notebookOf(sources: string[]): string {
  const cells = sources.map((source, index): Cell => ({
    cell_type: "code",
    id: `cell-${index}`,
    source,
    metadata: {},
    execution_count: null,
    outputs: [],
  }));
  const kernelspec = { display_name: "Deno", language: "typescript", name: "deno" };
  return JSON.stringify({ cells, metadata: { kernelspec }, nbformat: 4, nbformat_minor: 5 });
}

const lines = (cell: number) =>
  Array.from({ length: 20 }, (_, line) => `cell ${cell} line ${line}`);

/** Each third cell waits for a timer, each third shows something that it does not await. */
export const manyCells: string[] = Array.from({ length: 150 }, (_, cell) =>
  [
    `for (let line = 0; line < 20; line++) console.log("cell ${cell} line " + line);`,
    cell % 3 === 1
      ? `await new Promise((done) => setTimeout(done, 2)); console.log("waited");`
      : "",
    cell % 3 === 2 ? `Deno.jupyter.display({ "text/plain": "shown" }, { raw: true });` : "",
    `${cell}`,
  ].filter(Boolean).join("\n"));

function expectedText(cell: number): string {
  const extra = [[], ["waited"], ["shown"]][cell % 3]!;
  return [...lines(cell), ...extra, `${cell}`].join("\n");
}

const joined = (text: string | string[] | undefined) => [text ?? []].flat().join("");

/** All that a cell shows, in order, one piece a line, without colours. */
export function textOf(cell: Cell): string {
  const pieces = cell.outputs.map((output) => joined(output.text ?? output.data?.["text/plain"]));
  return stripVTControlCharacters(pieces.map((piece) => piece.replace(/\n$/, "")).join("\n"));
}

/** Which of the notebook's cells, made of `manyCells`, do not show exactly what they put out. */
export function incompleteCells(notebook: Notebook): number[] {
  return notebook.cells.flatMap((cell, index) =>
    textOf(cell) === expectedText(index) ? [] : [index]
  );
}
