import pl, { type DataFrame } from "nodejs-polars";

/**
 * Checks that every row has a text and a known class.
 *
 * @param frame with the columns text and label, a label being a name or its number
 * @param source names the frame in errors
 * @returns the columns text (String) and label (Int32)
 * @throws TypeError when a column is missing or text is no text; RangeError when a cell is empty or
 * a label unknown.
 */
export function checkRows(frame: DataFrame, labels: string[], source: string): DataFrame {
  const texts = column(frame, "text", source);
  const numbers = column(frame, "label", source).map((label) =>
    typeof label === "string" ? labels.indexOf(label) : label === null ? -1 : Number(label)
  );
  const textless = texts.findIndex((text) => typeof text !== "string");
  if (textless >= 0) fail(source, textless, "text", "a text", texts[textless]);
  const unknown = numbers.findIndex((label) => labels[label] === undefined);
  if (unknown >= 0) {
    const value = frame.getColumn("label").get(unknown);
    fail(source, unknown, "label", `one of ${labels.join(", ")}`, value);
  }
  return pl.DataFrame({
    text: frame.getColumn("text"),
    label: pl.Series("label", numbers, pl.Int32),
  });
}

/**
 * The values of a column.
 *
 * @throws TypeError when the frame has no such column.
 */
export function column(frame: DataFrame, name: string, source: string): unknown[] {
  if (frame.columns.includes(name)) return frame.getColumn(name).toArray();
  throw new TypeError(
    `Cannot load ${source} as it must have a column '${name}': its columns are ` +
      `${frame.columns.join(", ")}; rename or add one`,
  );
}

/** @throws RangeError unless `value` is a whole number of rows from 1 to `available`. */
export function checkCount(option: string, value: number, available: number) {
  if (Number.isInteger(value) && value >= 1 && value <= available) return;
  throw new RangeError(
    `Cannot load the data set as '${option}' must be a whole number from 1 to ${available}: ` +
      `current value is ${value}`,
  );
}

function fail(source: string, row: number, name: string, meaning: string, value: unknown): never {
  throw new RangeError(
    `Cannot load ${source} as '${name}' must be ${meaning}: current value in row ${row + 1} (the` +
      ` first row after the header is 1) is ${value}; correct or remove that row`,
  );
}
