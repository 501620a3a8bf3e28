import { asyncBufferFromFile, parquetMetadataAsync } from "hyparquet";
import { join, resolve } from "node:path";
import type { DataFrame } from "nodejs-polars";
import { downloadSnapshot } from "../hub/snapshot.ts";
import type { Dataset, DatasetOptions } from "./parts.ts";
import { checkCount, checkRows } from "./rows.ts";

/** The most bytes of a parquet file's metadata, which is read whole. */
const MAX_METADATA = 64_000_000;

/**
 * Loads the splits train and test of a repository and cuts them as `loadDataset` says; each part also has the column row.
 *
 * @param name `organisation/name`.
 * @param revision A commit, tag or branch. @default {`main`}
 * @param options How many rows each part takes, and how to reach the Hub.
 * @returns The data set.
 * @throws {TypeError} When a column is missing or not of texts and classes, or a file is damaged.
 * @throws {RangeError} When a row has no text or no known label, or there are fewer rows than asked for.
 */
export async function loadHubDataset(
  name: string,
  revision: string | undefined,
  options: DatasetOptions,
): Promise<Dataset> {
  const snapshot = await downloadSnapshot({
    type: "dataset",
    name,
    revision,
    wanted: /^data\/(train|test)-[^/]*\.parquet$/,
    required: {
      "data/train-*.parquet": /^data\/train-.*\.parquet$/,
      "data/test-*.parquet": /^data\/test-.*\.parquet$/,
    },
  }, options);
  const data = join(snapshot, "data");
  const names = Array.from(Deno.readDirSync(data), (entry) => entry.name).sort();
  const files = (split: string) =>
    names.filter((file) => file.startsWith(`${split}-`) && file.endsWith(".parquet"))
      .map((file) => join(data, file));
  const [trainName, testName] = [`${name}'s train split`, `${name}'s test split`];
  const labels = await labelNames(files("train")[0]!, name, trainName);
  const [trainFrame, testFrame] = [
    await readParquet(files("train"), trainName),
    await readParquet(files("test"), testName),
  ];
  let train = await checkRows(trainFrame, labels, trainName);
  const test = await checkRows(testFrame, labels, testName);
  const even = test.gatherEvery(2, 0);
  const odd = test.gatherEvery(2, 1);
  const {
    trainRows = train.height,
    evaluationRows = even.height,
    testRows = odd.height,
    seed = 42,
  } = options;
  checkCount("trainRows", trainRows, train.height);
  checkCount("evaluationRows", evaluationRows, even.height);
  checkCount("testRows", testRows, odd.height);
  if (trainRows < train.height) train = train.sample({ n: trainRows, seed });
  return { labels, train, evaluation: even.head(evaluationRows), test: odd.head(testRows) };
}

async function readParquet(files: string[], source: string): Promise<DataFrame> {
  const { default: pl } = await import("nodejs-polars");
  try {
    return pl.concat(files.map((file) => pl.readParquet(file)));
  } catch (error) {
    throw damaged(files[0]!, source, error);
  }
}

/** Hugging Face's datasets keeps the names in the parquet file's own metadata. */
async function labelNames(file: string, name: string, source: string): Promise<string[]> {
  let text: string;
  try {
    const buffer = await asyncBufferFromFile(file);
    const footer = new DataView(await buffer.slice(buffer.byteLength - 8));
    if (footer.getUint32(0, true) > MAX_METADATA) {
      throw new RangeError(`more than ${MAX_METADATA / 1e6} MB of metadata`);
    }
    const { key_value_metadata = [] } = await parquetMetadataAsync(buffer);
    text = key_value_metadata.find(({ key }) => key === "huggingface")?.value ?? "{}";
  } catch (error) {
    throw damaged(file, source, error);
  }
  const names = classNames(text);
  if (Array.isArray(names) && names.every((label) => typeof label === "string")) return names;
  throw new TypeError(
    `Cannot load ${name} as its column 'label' must be a ClassLabel in the parquet metadata` +
      ` 'huggingface': current value is ${text.slice(0, 200)}. Choose a data set of labelled texts`,
  );
}

function classNames(json: string): unknown {
  try {
    return JSON.parse(json)?.info?.features?.label?.names;
  } catch {
    return;
  }
}

function damaged(file: string, source: string, error: unknown): TypeError {
  const cache = resolve(file, "../../../.."); // of cache/snapshots/commit/data/file
  return new TypeError(
    `Cannot load ${source} as its parquet files must be whole and have the same columns: ` +
      `${(error as Error).message}. Remove ${cache} and load again, or choose other data`,
    { cause: error },
  );
}
