import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "node:path";
import pl from "nodejs-polars";
import { isFile } from "../hub/blob.ts";
import type { Dataset } from "./dataset.ts";

const PARTS = ["train", "evaluation", "test"] as const;

/** The last file to be written. */
const MANIFEST = "dataset.json";

/** What it holds. */
interface Manifest {
  labels: string[];
  /** The hash of each of the other files, in hexadecimal. */
  sha256: Record<string, string>;
}

/**
 * Writes train.parquet, evaluation.parquet and test.parquet into `folder`, which is made where there
 * is none, and dataset.json with the labels and the files' hashes. What was there before is replaced
 * when all are written.
 */
export async function saveDataset(dataset: Dataset, folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const contents: Record<string, Uint8Array> = {};
  const manifest: Manifest = { labels: dataset.labels, sha256: {} };
  for (const part of PARTS) {
    const file = `${part}.parquet`;
    contents[file] = dataset[part].writeParquet() as unknown as Buffer;
    manifest.sha256[file] = hash(contents[file]);
  }
  contents[MANIFEST] = new TextEncoder().encode(JSON.stringify(manifest, null, 2) + "\n");
  const paths = Object.keys(contents).map((file) => join(folder, file));
  try {
    for (const [file, bytes] of Object.entries(contents)) {
      using partial = await Deno.create(join(folder, `${file}.partial`));
      for (let n = 0; n < bytes.length;) n += await partial.write(bytes.subarray(n));
      await partial.sync();
    }
    for (const path of paths) await Deno.rename(`${path}.partial`, path);
  } catch (error) {
    for (const path of paths) await Deno.remove(`${path}.partial`).catch(() => {});
    throw error;
  }
}

/**
 * Reads what {@link saveDataset} wrote.
 *
 * @param folder The folder it was given.
 * @throws {Error} When a file is missing, or has been changed since.
 */
export async function openDataset(folder: string): Promise<Dataset> {
  const refuse = (file: string, fault: string) =>
    new Error(
      "Cannot open a data set as 'folder' must hold what saveDataset() wrote:" +
        ` ${join(folder, file)} ${fault}. Save it again`,
    );
  for (const file of [...PARTS.map((part) => `${part}.parquet`), MANIFEST]) {
    if (!await isFile(join(folder, file))) throw refuse(file, "is missing");
  }
  const { labels, sha256 } = parse(await Deno.readTextFile(join(folder, MANIFEST))) ?? {};
  if (!labels || !sha256) throw refuse(MANIFEST, "has been changed");
  const read = async (part: string) => {
    const file = `${part}.parquet`;
    const bytes = await Deno.readFile(join(folder, file));
    if (hash(bytes) !== sha256[file]) throw refuse(file, "has been changed");
    return pl.readParquet(Buffer.from(bytes.buffer));
  };
  return {
    labels,
    train: await read("train"),
    evaluation: await read("evaluation"),
    test: await read("test"),
  };
}

function parse(text: string): Partial<Manifest> | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
