import { REPOSITORY_OPTIONS } from "../hub/folder.ts";
import { checkOptions } from "../options.ts";
import { loadCsv } from "./csv.ts";
import { loadHubDataset } from "./hub.ts";
import { checkParts, type Dataset, type DatasetOptions } from "./parts.ts";

export type { Dataset, DatasetOptions };

/**
 * Where a data set comes from: a repository of the Hugging Face Hub with parquet files of the splits
 * train and test (`revision` is a commit, tag or branch, by default `main`), or the path of a csv
 * file with the columns text and label (`labels` are the names in the order of their numbers, by
 * default the order in which the file first names them).
 */
export type DatasetSource = { hub: string; revision?: string } | {
  file: string;
  labels?: string[];
};

const OPTIONS: Record<keyof DatasetOptions, true> = {
  trainRows: true,
  evaluationRows: true,
  testRows: true,
  seed: true,
  ...REPOSITORY_OPTIONS,
};

/**
 * Loads texts and their classes.
 *
 * From the Hub, `train` is the train split, the test split's even rows (from 0) are `evaluation` and
 * its odd rows `test`, as `shard(num_shards=2)` of Hugging Face's datasets would cut it. A csv file
 * is cut the same way for every class: of the class's rows, in the file's order, the first are for
 * training, the next for evaluation, the next for testing.
 *
 * A label is a name, its number, or that number as text; an empty text is a text. Files are read
 * once: later changes to them have no effect. `console.warn` reports a part with a single class, or
 * with texts that are also trained on, and names the rows.
 *
 * @param source A repository of the Hub, `organisation/name`; a path that ends in .csv; or an object.
 * @throws {TypeError} When an option is unknown, or a column is missing or not of text.
 * @throws {RangeError} When a row has no text or no known label, when all training rows are of one
 * class, or when more rows are asked for than there are.
 * @throws {Error} As {@link downloadSnapshot} does.
 *
 * @example
 * ```ts ignore
 * import { loadDataset } from "lightweight-finetuning";
 * const news = await loadDataset("fancyzhx/ag_news", { trainRows: 8000 });
 * const { labels, train } = await loadDataset({ file: "reviews.csv" });
 * console.log(labels, train.head());
 * ```
 */
export async function loadDataset(
  source: string | DatasetSource,
  options: DatasetOptions = {},
): Promise<Dataset> {
  checkOptions("load a data set", options, OPTIONS);
  if (typeof source === "string") {
    source = /\.csv$/i.test(source) ? { file: source } : { hub: source };
  }
  const fields = "file" in source ? { file: true, labels: true } : { hub: true, revision: true };
  checkOptions("load a data set", source, fields);
  if ("file" in source && options.revision !== undefined) {
    throw new RangeError(
      `Cannot load ${source.file} as 'revision' must be left out for a file: current value is ` +
        options.revision,
    );
  }
  const { labels, ...parts } = "file" in source
    ? await loadCsv(source.file, source.labels, options)
    : await loadHubDataset(source.hub, source.revision ?? options.revision, options);
  checkParts(parts, labels, "file" in source ? source.file : source.hub);
  const { train, evaluation, test } = parts;
  return {
    labels,
    train: train.drop("row"),
    evaluation: evaluation.drop("row"),
    test: test.drop("row"),
  };
}
