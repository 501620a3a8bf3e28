import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { isFile, writeFolder } from "../files.ts";
import type { Dataset } from "./parts.ts";

const PARTS = ["train", "evaluation", "test"] as const;

const MANIFEST = "dataset.json";

/** Every file that a save may have written. */
const OWNED = /^((train|evaluation|test)\.parquet|dataset\.json)$/;

/** What {@link MANIFEST} holds. */
interface Manifest {
  labels: string[];
  /** The hash of each of the other files, in hexadecimal. */
  sha256: Record<string, string>;
}

/**
 * Writes train.parquet, evaluation.parquet and test.parquet into a folder, and dataset.json with the labels and the
 * files' hashes. A data set that was there before is replaced in one step; other files in the folder stay.
 *
 * @param dataset What to write.
 * @param folder Where to write it; it is created if needed.
 * @throws {Error} When the system cannot write it (the `cause` is the system's error); an earlier data set is then
 * unchanged.
 */
export async function saveDataset(dataset: Dataset, folder: string): Promise<void> {
  await writeFolder(folder, async (folder) => {
    const manifest: Manifest = { labels: dataset.labels, sha256: {} };
    for (const part of PARTS) {
      const file = `${part}.parquet`;
      const bytes = dataset[part].writeParquet() as unknown as Buffer;
      manifest.sha256[file] = hash(bytes);
      await Deno.writeFile(join(folder, file), bytes);
    }
    await Deno.writeTextFile(join(folder, MANIFEST), JSON.stringify(manifest, null, 2) + "\n");
  }, OWNED);
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
  const { default: pl } = await import("nodejs-polars");
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
