import { Buffer } from "node:buffer";
import { columnsOf, type Table } from "./table.ts";

/**
 * Reads the first sheet of an Excel workbook, its header first. Numbers in a column that also has texts are texts.
 *
 * @param bytes The file's content.
 * @param source Names it in messages.
 * @throws {TypeError} When it is no workbook.
 * @throws {RangeError} When the name of a column stands twice.
 */
export async function readXlsx(bytes: Uint8Array, source: string): Promise<Table> {
  const { readSheet } = await import("read-excel-file/node");
  let sheet: unknown[][];
  try {
    sheet = await readSheet(Buffer.from(bytes));
  } catch (error) {
    const { message } = error as Error;
    throw new TypeError(
      `Cannot load ${source} as it must be a workbook of Excel (xlsx): ${message}. ` +
        "If it is another archive, unpack it; if it has a password, save it without one, or as csv",
      { cause: error },
    );
  }
  const [header = [], ...rows] = sheet;
  const columns = columnsOf(header, rows, source);
  for (const [name, cells] of columns) {
    if (!cells.some((cell) => typeof cell === "string")) continue;
    columns.set(name, cells.map((cell) => cell === null ? null : String(cell)));
  }
  return { source, columns };
}
