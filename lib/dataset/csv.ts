import { CsvError, parse } from "csv-parse/sync";
import type { DataFrame } from "nodejs-polars";
import { isFile } from "../files.ts";
import type { Dataset, DatasetOptions } from "./parts.ts";
import { checkRows, column } from "./rows.ts";

/** What a record must have, by the code of csv-parse's error about quotes. */
const QUOTE_RULES: Record<string, string> = {
  CSV_QUOTE_NOT_CLOSED: "a closing quote to each opening one",
  CSV_INVALID_CLOSING_QUOTE: "a comma or a line end behind a closing quote",
  INVALID_OPENING_QUOTE: "quotes only around whole fields",
};

/**
 * Loads a csv file and cuts it as `loadDataset` says; each part also has the column row.
 *
 * @param file Its path.
 * @param labels The classes' names in the order of their numbers. @default {the order in which the file names them}
 * @param options How many rows each part takes.
 * @returns The data set.
 * @throws {TypeError} When there is no such file, a column is missing, or a text is not a string.
 * @throws {RangeError} When the file is not in UTF-8 or not well-formed, a row has no text or no known label, or a class
 * has too few rows.
 */
export async function loadCsv(
  file: string,
  labels: string[] | undefined,
  { trainRows, evaluationRows, testRows }: DatasetOptions,
): Promise<Dataset> {
  if (!await isFile(file)) {
    throw new TypeError(
      `Cannot load a data set as 'file' must be the path of a csv file: current value is ${file}. A` +
        ` relative path starts from ${Deno.cwd()}`,
    );
  }
  const { default: pl } = await import("nodejs-polars");
  const frame = await readCsv(await Deno.readFile(file), file);
  const names = column(frame, "label", file).filter((label) => label !== null) as string[];
  labels ??= [...new Set(names)];
  const rows = await checkRows(frame, labels, file);

  for (const [option, value] of Object.entries({ trainRows, evaluationRows, testRows })) {
    if (value === undefined || value > 0 && Number.isInteger(value / labels.length)) continue;
    throw new RangeError(
      `Cannot cut ${file} as '${option}' must be a multiple of its ${labels.length} classes:` +
        ` current value is ${value}`,
    );
  }
  const classOf = rows.getColumn("label").toArray() as number[];
  const ofEach = (rows: number | undefined, otherwise: number) =>
    rows === undefined ? otherwise : rows / labels.length;
  // Where each part ends among a class's rows.
  const ends = labels.map((label, number) => {
    const found = classOf.filter((other) => other === number).length;
    const evaluation = ofEach(evaluationRows, Math.floor(found / 10) || 1);
    const test = ofEach(testRows, Math.floor(found / 10) || 1);
    const train = ofEach(trainRows, Math.max(found - evaluation - test, 1));
    const needed = train + evaluation + test;
    if (needed <= found) return [train, train + evaluation, needed];
    throw new RangeError(
      `Cannot cut ${file} as class ${label} must have ${needed} rows: current value is ` +
        `${found}. Add rows, or lower 'trainRows', 'evaluationRows' or 'testRows'`,
    );
  });
  const ranks = labels.map(() => 0);
  const partOf = classOf.map((number) => {
    const rank = ranks[number]!++;
    return ends[number]!.findIndex((end) => rank < end);
  });
  const cut = rows.withColumns(pl.Series("part", partOf, pl.Int32));
  const part = (i: number) => cut.filter(pl.col("part").eq(i)).drop("part");
  return { labels, train: part(0), evaluation: part(1), test: part(2) };
}

async function readCsv(bytes: Uint8Array, file: string): Promise<DataFrame> {
  const { default: pl } = await import("nodejs-polars");
  const [header = [], ...records] = csvRecords(decode(bytes, file), file);
  const columns = [...new Set(header)].map((name) => {
    const i = header.indexOf(name);
    return pl.Series(name ?? "", records.map((record) => record[i]), pl.Utf8);
  });
  return pl.DataFrame(columns);
}

/**
 * The records of a csv text (RFC 4180), its header first. A field that is empty and without quotes is null; blank lines
 * are left out.
 *
 * Polars' own reader drops a record's surplus fields, such as the end of a text after an unquoted comma, and its errors
 * name no row.
 */
function csvRecords(text: string, source: string): (string | null)[][] {
  const fault = (row: number, expected: string) =>
    new RangeError(
      `Cannot load ${source} as row ${row} (the first row after the header is 1) must have ` +
        `${expected}. Put texts with commas, quotes or line ends in quotes, and double the quotes in them`,
    );
  try {
    const records: (string | null)[][] = parse(text, {
      record_delimiter: ["\r\n", "\n", "\r"],
      skip_empty_lines: true,
      relax_column_count: true,
      cast: (value, { quoting }) => value === "" && !quoting ? null : value,
    });
    const expected = records[0]?.length;
    const row = records.findIndex(({ length }) => length !== expected);
    if (row < 0) return records;
    throw fault(row, `${expected} fields, not ${records[row]!.length}`);
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw fault(Number(error.records), QUOTE_RULES[error.code] ?? error.message);
  }
}

/** The text of a file in UTF-8, without a byte order mark. */
function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const [before = ""] = new TextDecoder().decode(bytes).split("\ufffd");
    const line = before.split("\n").length;
    throw new RangeError(
      `Cannot load ${file} as it must be in UTF-8, which line ${line} is not. Save it as 'CSV UTF-8'`,
    );
  }
}
