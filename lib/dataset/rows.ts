import type { DataFrame } from "nodejs-polars";

/**
 * Checks that every row has a text and a known class. An empty text is a text.
 *
 * @param frame Has the columns text and label; as in a ClassLabel of Hugging Face's datasets, a label is a name, its
 * number, or that number as text.
 * @param labels The classes' names.
 * @param source Names the frame in errors.
 * @returns The columns text (String), label (Int32) and row (Int32), the row's number from 1.
 * @throws {TypeError} When a column is missing, or a text is not a string.
 * @throws {RangeError} When there are no rows or fewer than two classes, a cell is empty, or a label is unknown.
 */
export async function checkRows(
  frame: DataFrame,
  labels: string[],
  source: string,
): Promise<DataFrame> {
  textColumn(frame, source);
  const given = column(frame, "label", source);
  const numbers = given.map((label) => classNumber(label, labels));
  if (frame.height === 0 || labels.length < 2) {
    throw new RangeError(
      `Cannot load ${source} as it must have rows of at least two classes: current value is ` +
        `${frame.height} rows of ${JSON.stringify(labels)}. Add some, or choose other data`,
    );
  }
  const unknown = numbers.findIndex((label) => labels[label] === undefined);
  if (unknown >= 0) {
    fail(source, unknown, "label", `one of ${labels.join(", ")}, or its number`, given[unknown]);
  }
  const { default: pl } = await import("nodejs-polars");
  return pl.DataFrame({
    text: frame.getColumn("text"),
    label: pl.Series("label", numbers, pl.Int32),
    row: pl.Series("row", numbers.map((_, i) => i + 1), pl.Int32),
  });
}

function classNumber(label: unknown, labels: string[]): number {
  if (typeof label === "number" || typeof label === "bigint") return Number(label);
  if (typeof label !== "string") return NaN;
  return labels.includes(label) || !/^\d+$/.test(label) ? labels.indexOf(label) : Number(label);
}

/**
 * The texts of a frame with the column text.
 *
 * @param frame The frame.
 * @param source Names it in errors.
 * @returns A text for each row.
 * @throws {TypeError} When there is no such column, or it holds anything but strings.
 * @throws {RangeError} When a cell is empty.
 */
export function textColumn(frame: DataFrame, source: string): string[] {
  const texts = column(frame, "text", source);
  const textless = texts.findIndex((text) => typeof text !== "string");
  if (textless >= 0) fail(source, textless, "text", "a text", texts[textless]);
  return texts as string[];
}

/**
 * The values of a column.
 *
 * @param frame The frame.
 * @param name The column's name.
 * @param source Names the frame in errors.
 * @returns A value for each row, `null` for an empty cell.
 * @throws {TypeError} When the frame has no such column.
 */
export function column(frame: DataFrame, name: string, source: string): unknown[] {
  if (frame.columns.includes(name)) return frame.getColumn(name).toArray();
  throw new TypeError(
    `Cannot load ${source} as it must have a column '${name}': its columns are ` +
      `${frame.columns.join(", ") || "none"}. Rename or add one`,
  );
}

/**
 * Checks a number of rows.
 *
 * @param option Its name.
 * @param value The number.
 * @param available How many rows there are.
 * @throws {RangeError} When it is not a whole number from 1 to `available`.
 */
export function checkCount(option: string, value: number, available: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= available) return;
  throw new RangeError(
    `Cannot load the data set as '${option}' must be a whole number from 1 to ${available}: ` +
      `current value is ${value}`,
  );
}

function fail(source: string, index: number, name: string, meaning: string, value: unknown): never {
  const row = `row ${index + 1} (the first row after the header is 1)`;
  const shown = typeof value === "string" ? JSON.stringify(value.slice(0, 60)) : String(value);
  const message =
    `Cannot load ${source} as '${name}' must be ${meaning}: current value in ${row} ` +
    `is ${shown}. Correct or remove that row, or choose other data`;
  throw name === "text" && value !== null ? new TypeError(message) : new RangeError(message);
}
