import { basename, dirname, join } from "node:path";
import { readTree } from "../hub/listing.ts";
import { downloadSnapshot, filesIn } from "../hub/snapshot.ts";
import { checkOptions } from "../options.ts";
import { type Columns, findColumns } from "./columns.ts";
import { classNames } from "./labels.ts";
import { layoutOf } from "./layout.ts";
import {
  completeParts,
  countRows,
  type Dataset,
  type DatasetOptions,
  tellWhatIsLeft,
} from "./parts.ts";
import { readTable } from "./read.ts";
import { checkTables } from "./rows.ts";
import type { Table } from "./table.ts";

/** A data set of the Hub. */
export interface HubSource {
  /** `organisation/name`. */
  hub: string;
  /** A commit, tag or branch. @default {"main"} */
  revision?: string;
  /** A configuration, one of several data sets in the repository. @default {the one that its card names as default} */
  config?: string;
  /** Names of its splits. @default {train; validation, valid, val or dev; test} */
  splits?: { train?: string; evaluation?: string; test?: string };
}

/**
 * Where published results evaluate and test on halves of the test split, which the original of this experiment did: its
 * even rows (from 0) evaluate, its odd rows test, as `shard(num_shards=2, contiguous=False)` of Hugging Face's datasets cuts it.
 */
const HALVED = new Set(["fancyzhx/ag_news"]);

const SPLITS = {
  train: ["train", "training"],
  evaluation: ["validation", "valid", "val", "dev"],
  test: ["test", "testing"],
};

type Part = keyof typeof SPLITS;
const PARTS = Object.keys(SPLITS) as Part[];

/**
 * Loads the splits of a repository and completes them as `loadDataset` says; each part also has the column row.
 *
 * @param source What to load.
 * @param options What to take of it, and how to reach the Hub.
 * @returns The data set.
 * @throws {TypeError} When a column is missing or not of texts and classes, or a file is damaged.
 * @throws {RangeError} When a row has no text or no known label, a split or configuration is not clear, or there are fewer
 * rows than asked for.
 */
export async function loadHubDataset(source: HubSource, options: DatasetOptions): Promise<Dataset> {
  const { hub: name, config, revision = options.revision } = source;
  const { folder, commit, paths } = await openRepository(name, revision, options);
  const readme = await Deno.readTextFile(join(folder, "README.md")).catch(() => "");
  const layout = layoutOf(paths, readme, config, name);
  const chosen = chooseSplits([...layout.splits.keys()], source);
  const files = PARTS.flatMap((part) => layout.splits.get(chosen[part] ?? "") ?? []);
  await downloadSnapshot({
    ...{ type: "dataset", name, revision: commit },
    ...exactly(files),
  }, options);

  const tables: Partial<Record<Part, Table>> = {};
  for (const part of PARTS) {
    const split = chosen[part];
    if (split === undefined) continue;
    const source = `${name}'s ${split} split`;
    const read = layout.splits.get(split)!.map((file) => readFile(folder, file, source));
    tables[part] = joined(await Promise.all(read), source);
  }
  const columns = findColumns(tables.train!, options);
  for (const part of ["evaluation", "test"] as const) {
    const table = tables[part];
    if (!table || !isHidden(table, columns)) continue;
    console.warn(
      `${table.source} has no labels (they are hidden) and is not used: rows of the train split ` +
        "take its place",
    );
    delete tables[part];
  }
  const labels = tables.train!.classNames?.get(columns.label) ??
    layout.classNames.get(columns.label) ??
    classNames(tables.train!.columns.get(columns.label)!, columns.label, tables.train!.source);
  const given = await checkTables({ ...tables, train: tables.train! }, columns, labels, options);
  if (HALVED.has(name) && given.test && !given.evaluation) {
    return { labels, ...halve(given.train, given.test, options, name) };
  }
  return { labels, ...await completeParts(given, labels.length, options, name) };
}

/** Downloads a repository's card, and lists its files. */
async function openRepository(name: string, revision: string | undefined, options: DatasetOptions) {
  const request = { type: "dataset" as const, name, revision };
  const card = await downloadSnapshot(
    { ...request, wanted: /^README\.md$/, required: {} },
    options,
  );
  const commit = basename(card);
  const tree = await readTree(dirname(dirname(card)), commit);
  const paths = tree?.map(({ path }) => path) ?? await filesIn(card);
  if (paths.length > 0) return { folder: card, commit, paths };
  await downloadSnapshot({ ...request, wanted: /./, required: { "data files": /./ } }, options);
  throw new TypeError(`Cannot load ${name} as it must have files: current value is none`);
}

const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function exactly(paths: string[]): { wanted: RegExp; required: Record<string, RegExp> } {
  const required = Object.fromEntries(
    paths.map((path) => [path, new RegExp(`^${literal(path)}$`)]),
  );
  return { wanted: new RegExp(`^(README\\.md|${paths.map(literal).join("|")})$`), required };
}

/** Which split of those there are each part takes. */
function chooseSplits(splits: string[], { hub, splits: asked = {} }: HubSource) {
  checkOptions("choose splits", asked, SPLITS);
  const shown = splits.join(", ");
  const chosen: Partial<Record<Part, string>> = {};
  for (const part of PARTS) {
    const split = asked[part] ?? SPLITS[part].find((name) => splits.includes(name));
    if (asked[part] !== undefined && !splits.includes(asked[part])) {
      throw new RangeError(
        `Cannot load ${hub} as 'splits.${part}' must be one of its splits, ${shown}: current value is ` +
          `'${asked[part]}'`,
      );
    }
    if (split !== undefined) chosen[part] = split;
  }
  if (chosen.train === undefined && splits.length === 1) chosen.train = splits[0]!;
  if (chosen.train !== undefined) return chosen;
  const [name, train] = [hub, splits[0]].map((text) => JSON.stringify(text));
  throw new RangeError(
    `Cannot load ${hub} as it must be clear which of its splits to train on: they are ${shown}. ` +
      `Write, for example, loadDataset({ hub: ${name}, splits: { train: ${train} } })`,
  );
}

async function readFile(folder: string, file: string, source: string): Promise<Table> {
  try {
    return await readTable(join(folder, file), source);
  } catch (error) {
    const cache = dirname(dirname(folder)); // of cache/snapshots/commit
    (error as Error).message += `. If its cache ${cache} is damaged, remove it and load again`;
    throw error;
  }
}

/** The rows of several files with the same columns. */
function joined(tables: Table[], source: string): Table {
  const [first] = tables;
  const names = (table: Table) => [...table.columns.keys()].sort().join(", ");
  const other = tables.find((table) => names(table) !== names(first!));
  if (other) {
    throw new TypeError(
      `Cannot load ${source} as its files must have the same columns: they have ` +
        `${names(first!)}, and ${names(other)}. Choose other data`,
    );
  }
  const columns = new Map(
    [...first!.columns.keys()].map((name) => [
      name,
      tables.flatMap((table) => table.columns.get(name)!),
    ]),
  );
  return { ...first!, columns };
}

/** Whether no row has its label; competitions write -1. */
function isHidden({ columns }: Table, { label }: Columns): boolean {
  const cells = columns.get(label);
  return !cells || cells.every((cell) => cell === null || Number(cell) === -1);
}

/** Evaluates on the even rows of the test split and tests on the odd ones. */
function halve(
  train: Dataset["train"],
  test: Dataset["test"],
  { trainRows = train.height, evaluationRows, testRows, seed = 42 }: DatasetOptions,
  name: string,
): Omit<Dataset, "labels"> {
  const [even, odd] = [test.gatherEvery(2, 0), test.gatherEvery(2, 1)];
  const n = countRows("trainRows", trainRows, train.height, 1, name);
  const first = (option: string, half: Dataset["test"], rows = half.height, least: number) =>
    half.head(countRows(option, rows, half.height, least, name));
  const parts = {
    train: n < train.height ? train.sample({ n, seed }) : train,
    evaluation: first("evaluationRows", even, evaluationRows, 1),
    test: first("testRows", odd, testRows, 0),
  };
  tellWhatIsLeft(name, {
    train: [n, train.height],
    evaluate: [parts.evaluation.height, even.height],
    test: [parts.test.height, odd.height],
  });
  return parts;
}
