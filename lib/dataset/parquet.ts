import { parquetMetadata } from "hyparquet";
import { Buffer } from "node:buffer";
import type { Table } from "./table.ts";

/** The most bytes of a parquet file's metadata, which is read whole. */
const MAX_METADATA = 64_000_000;

/**
 * Reads a parquet file, with the names of classes that Hugging Face's datasets keeps in its metadata.
 *
 * @param bytes The file's content.
 * @param source Names it in messages.
 * @throws {TypeError} When it is damaged.
 */
export async function readParquet(
  bytes: Uint8Array<ArrayBuffer>,
  source: string,
): Promise<Table> {
  const { default: pl } = await import("nodejs-polars");
  try {
    const classNames = schemaOf(bytes.buffer);
    const frame = pl.readParquet(Buffer.from(bytes.buffer));
    const columns = new Map(frame.columns.map((name) => [name, frame.getColumn(name).toArray()]));
    return { source, columns, classNames };
  } catch (error) {
    const { message } = error as Error;
    throw new TypeError(
      `Cannot load ${source} as its parquet files must be whole: ${message}. Fetch it again, or choose ` +
        "other data",
      { cause: error },
    );
  }
}

function schemaOf(file: ArrayBuffer): Map<string, string[]> {
  if (new DataView(file).getUint32(file.byteLength - 8, true) > MAX_METADATA) {
    throw new RangeError(`more than ${MAX_METADATA / 1e6} MB of metadata`);
  }
  const { key_value_metadata = [] } = parquetMetadata(file);
  const text = key_value_metadata.find(({ key }) => key === "huggingface")?.value ?? "{}";
  try {
    return classNames(JSON.parse(text)?.info?.features);
  } catch {
    return new Map(); // not written by datasets
  }
}

/** The names of each ClassLabel among features, as datasets writes them into parquet metadata. */
function classNames(features: unknown): Map<string, string[]> {
  const named = Object.entries(features ?? {}).map(([name, feature]) => [name, feature?.names]);
  return new Map(named.filter(([, names]) => isNames(names)) as [string, string[]][]);
}

const isNames = (names: unknown) =>
  Array.isArray(names) && names.every((name) => typeof name === "string");
