import { isFile } from "../files.ts";
import { REPOSITORY_OPTIONS } from "../hub/folder.ts";
import { checkOptions } from "../options.ts";
import { type ColumnOptions, findColumns } from "./columns.ts";
import { type HubSource, loadHubDataset } from "./hub.ts";
import { classNames } from "./labels.ts";
import { checkParts, completeParts } from "./parts.ts";
import type { Dataset, DatasetOptions, RowOptions } from "./parts.ts";
import { readTable, TABLE_FILE } from "./read.ts";
import { checkTables } from "./rows.ts";

export type { ColumnOptions, Dataset, DatasetOptions, HubSource, RowOptions };

/** A data set in one file. */
export interface FileSource {
  /** Its path. */
  file: string;
  /** The classes' names in the order of their numbers. @default {the file's: numbers in their order, texts as they come} */
  labels?: string[];
}

/** A data set with a file for each part. */
export interface PartsSource {
  /** The path of the rows to train on. */
  train: string;
  /** The path of the rows to evaluate on. @default {rows cut off those to train on} */
  evaluation?: string;
  /** The path of the rows to test on. @default {rows cut off those to train on} */
  test?: string;
  /** As in {@link FileSource}. */
  labels?: string[];
}

/** Where a data set comes from. */
export type DatasetSource = HubSource | FileSource | PartsSource;

const OPTIONS: Record<keyof DatasetOptions, true> = {
  textColumns: true,
  labelColumn: true,
  trainRows: true,
  evaluationRows: true,
  testRows: true,
  seed: true,
  skipIncomplete: true,
  ...REPOSITORY_OPTIONS,
};

const HUB_FIELDS: Record<keyof HubSource, true> = {
  hub: true,
  revision: true,
  config: true,
  splits: true,
};
const FILE_FIELDS: Record<keyof FileSource, true> = { file: true, labels: true };
const PARTS_FIELDS: Record<keyof PartsSource, true> = {
  train: true,
  evaluation: true,
  test: true,
  labels: true,
};

/**
 * Loads texts and their classes, from a file (csv with any usual separator, tsv, jsonl, json, each also as .gz, parquet,
 * xlsx) or from a repository of the Hub that has such files.
 *
 * All rows are taken, shuffled by `seed` and cut class by class: 80 % to train, 10 % to evaluate, 10 % to test. Parts that
 * the source has are kept, and missing ones are cut off the training rows; of AG News, which has no validation split, the
 * test split's even rows (from 0) evaluate and its odd rows test, as in this experiment's original.
 *
 * The columns are those asked for, or those with usual names, in any case: text, sentence, content, or title and
 * description; label, labels, category, class or target. A label is a name, its number, or that number as text; an empty
 * text is a text. Files are read once: later changes to them have no effect. `console.warn` reports classes that a part
 * lacks, labels that are likely misspelt, and texts that are also trained on, and names the rows.
 *
 * @param source A file's path; a repository, `organisation/name`; or an object.
 * @throws {TypeError} When an option is unknown, a column is not of text or it is not clear which it is, or a file's format
 * is another one.
 * @throws {RangeError} When a row has no text or no known label, when all training rows are of one
 * class, or when more rows are asked for than there are.
 * @throws {Error} As {@link downloadSnapshot} does.
 *
 * @example
 * ```ts ignore
 * import { loadDataset } from "lightweight-finetuning";
 * const news = await loadDataset("fancyzhx/ag_news", { trainRows: 8000 });
 * const { labels, train } = await loadDataset("reviews.csv", { labelColumn: "stars" });
 * console.log(labels, train.head());
 * ```
 */
export async function loadDataset(
  source: string | DatasetSource,
  options: DatasetOptions = {},
): Promise<Dataset> {
  checkOptions("load a data set", options, OPTIONS);
  const { name, load } = await chooseLoader(source, options);
  const { labels, ...parts } = await load();
  checkParts(parts, labels, name);
  const { train, evaluation, test } = parts;
  return {
    labels,
    train: train.drop("row"),
    evaluation: evaluation.drop("row"),
    test: test.drop("row"),
  };
}

async function chooseLoader(source: string | DatasetSource, options: DatasetOptions) {
  if (typeof source === "string") {
    const isPath = TABLE_FILE.test(source) || await isFile(source);
    source = isPath ? { file: source } : { hub: source };
  }
  const check = (fields: object) => checkOptions("load a data set", source as object, fields);
  if ("file" in source) {
    check(FILE_FIELDS);
    const { file, labels } = source;
    return { name: file, load: () => loadFiles({ train: file, ...labels && { labels } }, options) };
  }
  if ("train" in source) {
    check(PARTS_FIELDS);
    const parts = source;
    return { name: parts.train, load: () => loadFiles(parts, options) };
  }
  check(HUB_FIELDS);
  const hub = source;
  return { name: hub.hub, load: () => loadHubDataset(hub, options) };
}

async function loadFiles(source: PartsSource, options: DatasetOptions): Promise<Dataset> {
  const { train, evaluation, test } = source;
  if (options.revision !== undefined) {
    throw new RangeError(
      `Cannot load ${train} as 'revision' must be left out for a file: current value is ` +
        options.revision,
    );
  }
  const table = await readTable(train);
  const columns = findColumns(table, options);
  const labels = source.labels ?? table.classNames?.get(columns.label) ??
    classNames(table.columns.get(columns.label)!, columns.label, table.source);
  const tables = {
    train: table,
    ...evaluation !== undefined && { evaluation: await readTable(evaluation) },
    ...test !== undefined && { test: await readTable(test) },
  };
  const given = await checkTables(tables, columns, labels, options);
  return { labels, ...await completeParts(given, labels.length, options, train) };
}
