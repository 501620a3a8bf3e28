import { gunzipSync } from "node:zlib";
import { isFile } from "../files.ts";
import { readCsv } from "./csv.ts";
import { readJsonTable } from "./json.ts";
import { readParquet } from "./parquet.ts";
import type { Table } from "./table.ts";
import { readXlsx } from "./xlsx.ts";

/** The most bytes of an uncompressed text. */
const MAX_BYTES = 2 ** 31;

/** The first bytes of a file's format. */
const MAGIC: [first: string, format: string][] = [
  ["\x1f\x8b", "gz"],
  ["PAR1", "parquet"],
  ["PK\x03\x04", "zip"],
  ["\xd0\xcf\x11\xe0", "a workbook of Excel 97 to 2003"],
  ["%PDF", "PDF"],
  ["ARROW1", "Arrow"],
  ["SQLite format 3\0", "SQLite"],
  ["BZh", "bzip2"],
  ["\xfd7zXZ", "xz"],
  ["\x28\xb5\x2f\xfd", "Zstandard"],
  ["\x89HDF", "HDF5"],
  ["\x80\x04", "a pickle of Python"],
  ["\x80\x05", "a pickle of Python"],
  ["{\\rtf", "RTF"],
  ["<!DOCTYPE html", "HTML"],
  ["<html", "HTML"],
];

/** Names that a table's file may have. */
export const TABLE_FILE = /\.((csv|tsv|txt|jsonl|ndjson|json)(\.gz)?|parquet|xlsx)$/i;

const FORMATS = "csv, tsv, jsonl, json (each also as .gz), parquet or xlsx";

/**
 * Reads a file of rows, in whatever format and encoding it is: csv with commas, semicolons, tabs or bars, JSON by lines or
 * as an array, parquet, or the first sheet of an Excel workbook. The format is that of its content; the name decides
 * between kinds of text.
 *
 * @param path The file's path.
 * @param source Names it in messages. @default {path}
 * @throws {TypeError} When there is no such file, or it is of another format, which is named.
 * @throws {RangeError} When the file is not well-formed.
 */
export async function readTable(path: string, source: string = path): Promise<Table> {
  if (!await isFile(path)) {
    throw new TypeError(
      `Cannot load a data set as 'file' must be the path of a file of ${FORMATS}: current value is ` +
        `${path}. A relative path starts from ${Deno.cwd()}`,
    );
  }
  let bytes = await Deno.readFile(path);
  let name = path.toLowerCase();
  let format = formatOf(bytes);
  if (format === "gz") {
    bytes = gunzip(bytes, source);
    name = name.replace(/\.gz$/, "");
    format = formatOf(bytes);
  }
  if (format === "parquet") return await readParquet(bytes, source);
  if (format === "zip" && !name.endsWith(".zip")) return await readXlsx(bytes, source);
  if (format !== undefined) {
    throw new TypeError(
      `Cannot load ${source} as it must be a file of ${FORMATS}: current value is ${format}. Save ` +
        "or export it as one of these",
    );
  }
  const text = decode(bytes, source);
  const isJson = /\.(jsonl|ndjson|json)$/.test(name) ||
    !/\.(csv|tsv)$/.test(name) && /^\s*[[{]/.test(text);
  return isJson ? readJsonTable(text, source) : readCsv(text, source);
}

function formatOf(bytes: Uint8Array): string | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 16));
  return MAGIC.find(([first]) => start.toLowerCase().startsWith(first.toLowerCase()))?.[1];
}

function gunzip(bytes: Uint8Array, source: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(gunzipSync(bytes, { maxOutputLength: MAX_BYTES }));
  } catch (error) {
    throw new RangeError(
      `Cannot load ${source} as its gzip must be whole and hold at most ${MAX_BYTES / 2 ** 30} ` +
        `GB: ${(error as Error).message}. Fetch it again, or cut it`,
      { cause: error },
    );
  }
}

/**
 * The text of a file in UTF-8 or UTF-16, without a byte order mark; what is neither is taken as Windows-1252, of which
 * Latin-1 is a part, with a warning.
 */
function decode(bytes: Uint8Array, source: string): string {
  const [first, second] = bytes;
  const isLittle = first === 0xff && second === 0xfe || first !== 0 && second === 0;
  const isBig = first === 0xfe && second === 0xff || first === 0 && second !== 0;
  if (bytes.length > 1 && (isLittle || isBig)) {
    const text = new TextDecoder(isLittle ? "utf-16le" : "utf-16be").decode(bytes);
    if (text.includes("\ufffd")) throw binary(source);
    return text;
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const [before = ""] = new TextDecoder().decode(bytes).split("\ufffd");
    const line = before.split("\n").length;
    const text = new TextDecoder("windows-1252").decode(bytes);
    if (text.includes("\0")) throw binary(source);
    console.warn(
      `${source} is not in UTF-8 from line ${line} on, and is read as Latin-1: ` +
        `${JSON.stringify(text.split(/\r\n?|\n/)[line - 1]?.slice(0, 60))}. If letters are wrong ` +
        "there, save it as UTF-8",
    );
    return text;
  }
}

const binary = (source: string) =>
  new TypeError(
    `Cannot load ${source} as it must be a file of ${FORMATS}: its bytes are no text. Save or export it ` +
      "as one of these",
  );
