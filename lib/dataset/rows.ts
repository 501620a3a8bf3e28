import type { DataFrame, Series } from "nodejs-polars";
import { type Columns, findColumns } from "./columns.ts";
import { nameOf } from "./labels.ts";
import type { DatasetOptions, GivenParts } from "./parts.ts";
import type { Table } from "./table.ts";

/** So many rows are named in a message. */
const NAMED = 5;

/**
 * Checks the rows of each part by {@link checkRows}.
 *
 * @param tables Each has the columns.
 * @throws What {@link checkRows} throws, or a TypeError when a table lacks a column.
 */
export async function checkTables(
  tables: { train: Table; evaluation?: Table; test?: Table },
  columns: Columns,
  labels: string[],
  { skipIncomplete }: DatasetOptions,
): Promise<GivenParts> {
  const asked = { textColumns: columns.text, labelColumn: columns.label };
  const check = (table: Table) =>
    checkRows(table, findColumns(table, asked), labels, skipIncomplete);
  const { train, evaluation, test } = tables;
  return {
    train: await check(train),
    ...evaluation && { evaluation: await check(evaluation) },
    ...test && { test: await check(test) },
  };
}

/**
 * Checks that every row has a text and a known class. An empty text is a text.
 *
 * @param table Its labels are, as in a ClassLabel of Hugging Face's datasets, a name, its number, or that number as text.
 * @param columns Those that hold texts and labels; several texts are joined by a space.
 * @param labels The classes' names.
 * @param skipIncomplete Leave out rows without a text or label; `console.warn` says which.
 * @returns The columns text (String), label (Int32) and row (Int32), the row's number from 1.
 * @throws {TypeError} When a text is not a string.
 * @throws {RangeError} When there are no rows or fewer than two classes, a cell is empty, or a label is unknown.
 */
export async function checkRows(
  table: Table,
  columns: Columns,
  labels: string[],
  skipIncomplete = false,
): Promise<DataFrame> {
  const { source } = table;
  const label = table.columns.get(columns.label)!;
  const cells = columns.text.map((name) => table.columns.get(name)!);
  const textName = columns.text.join(" + ");
  const texts = label.map((_, row) => {
    const found = cells.map((column) => column[row]).filter((cell) => !isEmpty(cell));
    const wrong = found.find((cell) => typeof cell !== "string");
    if (wrong !== undefined) fail(source, [row], textName, "a text", wrong);
    return found.length > 0 ? found.join(" ") : null;
  });
  let rows = [...label.keys()];
  const textless = rows.filter((row) => texts[row] === null);
  const unlabelled = rows.filter((row) => isEmpty(label[row]));
  const meaning = `one of ${listed(labels)}, or its number`;
  if (skipIncomplete) {
    const skipped = new Set([...textless, ...unlabelled]);
    rows = rows.filter((row) => !skipped.has(row));
    if (skipped.size > 0) {
      const which = numbered([...skipped].sort((a, b) => a - b));
      console.warn(`${source}: left out ${skipped.size} rows without a text or label, ${which}`);
    }
  } else {
    if (textless.length > 0) fail(source, textless, textName, "a text", null);
    if (unlabelled.length > 0) fail(source, unlabelled, columns.label, meaning, null);
  }
  if (rows.length === 0 || labels.length < 2) {
    throw new RangeError(
      `Cannot load ${source} as it must have rows of at least two classes: current value is ` +
        `${rows.length} rows of ${JSON.stringify(labels)}. Add some, or choose other data`,
    );
  }
  const numberOf = new Map(labels.map((name, number) => [name, number]));
  const numbers = rows.map((row) => classNumber(label[row], numberOf));
  const unknown = numbers.findIndex((number) => labels[number] === undefined);
  if (unknown >= 0) {
    const row = rows[unknown]!;
    fail(source, [row], columns.label, meaning, label[row]);
  }
  const { default: pl } = await import("nodejs-polars");
  return pl.DataFrame({
    text: pl.Series("text", rows.map((row) => texts[row]), pl.Utf8),
    label: pl.Series("label", numbers, pl.Int32),
    row: pl.Series("row", rows.map((row) => row + 1), pl.Int32),
  });
}

const isEmpty = (cell: unknown) => cell === null || cell === undefined || Number.isNaN(cell);

function classNumber(label: unknown, numberOf: Map<string, number>): number {
  const name = nameOf(label);
  if (name === undefined) return NaN;
  const number = numberOf.get(name);
  if (number !== undefined) return number;
  if (typeof label === "boolean") return Number(label);
  return typeof label !== "string" || /^\d+$/.test(name) ? Number(name) : NaN;
}

const listed = (labels: string[]) =>
  labels.slice(0, 20).join(", ") + (labels.length > 20 ? `, … (${labels.length} in all)` : "");

const numbered = (rows: number[]) =>
  `row ${rows.slice(0, NAMED).map((row) => row + 1).join(", ")}${rows.length > NAMED ? ", …" : ""}`;

/**
 * The texts of a frame with the column text.
 *
 * @param frame The frame.
 * @param source Names it in errors.
 * @returns A function that gives the texts from row `start` up to, not including, `end`; not all need be in memory.
 * @throws {TypeError} When there is no such column, or it holds anything but strings.
 * @throws {RangeError} When a cell is empty.
 */
export function textColumn(
  frame: DataFrame,
  source: string,
): (start: number, end: number) => string[] {
  const column = series(frame, "text", source);
  if (String(column.dtype) === "DataType(String)" && !column.hasNulls()) {
    return (start, end) => column.slice(start, end - start).toArray() as string[];
  }
  const texts = column.toArray() as unknown[];
  const textless = texts.findIndex((text) => typeof text !== "string");
  if (textless >= 0) fail(source, [textless], "text", "a text", texts[textless]);
  return (start, end) => texts.slice(start, end) as string[];
}

/**
 * A column as polars holds it.
 *
 * @param frame The frame.
 * @param name The column's name.
 * @param source Names the frame in errors.
 * @throws {TypeError} When the frame has no such column.
 */
export function series(frame: DataFrame, name: string, source: string): Series {
  if (frame.columns.includes(name)) return frame.getColumn(name);
  throw new TypeError(
    `Cannot load ${source} as it must have a column '${name}': its columns are ` +
      `${frame.columns.join(", ") || "none"}. Rename or add one`,
  );
}

/** Refuses rows, of which the first has this value in a column. */
function fail(
  source: string,
  rows: number[],
  name: string,
  meaning: string,
  value: unknown,
): never {
  const row = `row ${rows[0]! + 1} (the first row after the header is 1)`;
  const shown = typeof value === "string" ? JSON.stringify(value.slice(0, 60)) : String(value);
  const others = rows.length > 1
    ? `, and so in ${rows.length - 1} more (${numbered(rows.slice(1))})`
    : "";
  const remedy = value === null
    ? "remove such rows, leave them out with skipIncomplete: true,"
    : "remove that row,";
  const message =
    `Cannot load ${source} as '${name}' must be ${meaning}: current value in ${row} ` +
    `is ${shown}${others}. Correct or ${remedy} or choose other data`;
  throw meaning === "a text" && value !== null ? new TypeError(message) : new RangeError(message);
}
