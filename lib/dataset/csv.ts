import { CsvError, parse } from "csv-parse/sync";
import { columnsOf, type Table } from "./table.ts";

/** What a record must have, by the code of csv-parse's error about quotes. */
const QUOTE_RULES: Record<string, string> = {
  CSV_QUOTE_NOT_CLOSED: "a closing quote to each opening one",
  CSV_INVALID_CLOSING_QUOTE: "a separator or a line end behind a closing quote",
  INVALID_OPENING_QUOTE: "quotes only around whole fields",
};

const SEPARATORS = [",", ";", "\t", "|"];

/** So many characters decide about the separator. */
const SNIFFED = 100_000;

type Records = (string | null)[][];

/**
 * Reads a csv text (RFC 4180) whose fields are separated by commas, semicolons, tabs or bars, its header first. A field
 * that is empty and without quotes is null; blank lines are left out.
 *
 * Polars' own reader drops a record's surplus fields, such as the end of a text after an unquoted comma, and its errors
 * name no row.
 *
 * @param text The file's content.
 * @param source Names it in messages.
 * @throws {RangeError} When it is not well-formed; the message names the row, or a column whose name stands twice.
 */
export function readCsv(text: string, source: string): Table {
  const separator = separatorOf(text);
  const fault = (row: number, expected: string) =>
    new RangeError(
      `Cannot load ${source} as row ${row} (the first row after the header is 1) must have ` +
        `${expected}. Put texts with ${NAMES[separator]}, quotes or line ends in quotes, and ` +
        "double the quotes in them",
    );
  let records: Records;
  try {
    records = parseRecords(text, separator);
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw fault(Number(error.records), QUOTE_RULES[error.code] ?? error.message);
  }
  const [header = [], ...rows] = records;
  const row = rows.findIndex(({ length }) => length !== header.length);
  if (row >= 0) throw fault(row + 1, `${header.length} fields, not ${rows[row]!.length}`);
  return { source, columns: columnsOf(header, rows, source) };
}

const NAMES: Record<string, string> = {
  ",": "commas",
  ";": "semicolons",
  "\t": "tabs",
  "|": "bars",
};

/** The separator that gives the first records the most fields, each the same number; without any, a comma. */
function separatorOf(text: string): string {
  const end = text.length > SNIFFED ? text.lastIndexOf("\n", SNIFFED) : text.length;
  const start = text.slice(0, end > 0 ? end : SNIFFED);
  const fields = (separator: string) => {
    try {
      const [header = [], ...rows] = parseRecords(start, separator);
      const even = rows.filter(({ length }) => length === header.length).length;
      return header.length < 2 ? 0 : header.length * (even + 1) / (rows.length + 1);
    } catch {
      return countIn(start.split(/\r\n?|\n/, 1)[0]!, separator) / 2; // an error is for the reader
    }
  };
  const counts = SEPARATORS.map(fields);
  const most = Math.max(...counts);
  return most > 0 ? SEPARATORS[counts.indexOf(most)]! : ",";
}

const countIn = (line: string, separator: string) => line.split(separator).length - 1;

const parseRecords = (text: string, delimiter: string): Records =>
  parse(text, {
    delimiter,
    record_delimiter: ["\r\n", "\n", "\r"],
    skip_empty_lines: true,
    relax_column_count: true,
    cast: (value, { quoting }) => value === "" && !quoting ? null : value,
  });
