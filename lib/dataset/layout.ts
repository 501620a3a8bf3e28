import { matchesGlob } from "node:path";
import { parse } from "yaml";

/** The data files of a repository by the names of their splits, and the names of classes by column. */
export interface Layout {
  splits: Map<string, string[]>;
  classNames: Map<string, string[]>;
}

/** What the YAML header of a data set's card says of its files. */
interface Card {
  configs?: unknown;
  dataset_info?: unknown;
}

/** Longer ones, and those with more wildcards, could take for ever to match. */
const MAX_PATTERN = 200;
const MAX_WILDCARDS = 8;

/** The first is taken where several kinds have as many files. */
const KINDS = ["parquet", "jsonl", "json", "csv", "tsv", "ndjson"];
const DATA_FILE = /\.(parquet|(csv|tsv|jsonl|ndjson|json)(\.gz)?)$/i;
const NO_DATA = /(^|\/)((config|dataset_infos?|dataset_dict|state)\.json$|[._])/;

/** Words for a split in a name (data_files.py of datasets 5.2). */
const KEYWORDS: Record<string, string> = {
  train: "train|training",
  validation: "validation|valid|dev|val",
  test: "test|testing|eval|evaluation",
};

/**
 * Finds the data files of a repository as Hugging Face's datasets does: by its card's `configs`, else by the files' names.
 *
 * @param paths All of the repository's files.
 * @param readme Its card; empty if it has none.
 * @param config The configuration asked for.
 * @param name Names the repository in messages.
 * @throws {RangeError} When there is no such configuration, or none is asked for where there are several.
 * @throws {TypeError} When there are no data files that can be read.
 * @see https://huggingface.co/docs/hub/datasets-data-files-configuration
 */
export function layoutOf(
  paths: string[],
  readme: string,
  config: string | undefined,
  name: string,
): Layout {
  const card = header(readme, name);
  const configs = list(card.configs);
  const chosen = chooseConfig(configs, config, name);
  const files = paths.filter((path) => DATA_FILE.test(path) && !NO_DATA.test(path));
  const splits = chosen?.data_files === undefined
    ? byName(files, name)
    : byPattern(files, chosen, name);
  if (splits.size === 0) {
    const script = paths.find((path) => path.endsWith(".py"));
    const kinds = new Set(paths.map((path) => path.match(/\.[\w.]+$/)?.[0] ?? path));
    const shown = [...kinds].slice(0, 8).join(", ") || "no file";
    throw new TypeError(
      `Cannot load ${name} as it must have data files in parquet, csv, tsv, jsonl or json: ` +
        (script
          ? `current value is ${script}, a Python script that makes them. Choose its revision ` +
            "'refs/convert/parquet', where the Hub keeps what such a script makes"
          : `current value is ${shown}. Choose another repository or revision`),
    );
  }
  const infos = list(card.dataset_info);
  const info = infos.find(({ config_name }) => config_name === chosen?.config_name) ??
    infos.find(({ config_name }) => infos.length === 1 && (!chosen || config_name === undefined));
  return { splits, classNames: cardNames(info?.features) };
}

function header(readme: string, name: string): Card {
  const [, yaml] = readme.match(/^\ufeff?---\r?\n([^]*?)\r?\n---/) ?? [];
  if (yaml === undefined) return {};
  try {
    return parse(yaml) ?? {};
  } catch (error) {
    console.warn(
      `${name}: its README.md has no sound YAML and is not used: ${(error as Error).message}`,
    );
    return {};
  }
}

type Entry = Record<string, unknown>;

const isEntry = (value: unknown): value is Entry => typeof value === "object" && value !== null;
const list = (value: unknown): Entry[] => [value].flat().filter(isEntry);

function chooseConfig(
  configs: Entry[],
  asked: string | undefined,
  name: string,
): Entry | undefined {
  const names = configs.map(({ config_name }) => String(config_name));
  const found = asked === undefined
    ? configs.find((config) => config.default === true) ??
      configs.find(({ config_name }) => config_name === "default") ??
      (configs.length === 1 ? configs[0] : undefined)
    : configs.find(({ config_name }) => config_name === asked);
  if (found || asked === undefined && configs.length === 0) return found;
  const known = names.join(", ") || "none";
  throw new RangeError(
    `Cannot load ${name} as 'config' must be one of its configurations, ${known}: ` +
      `current value is ${asked}. Write, for example, loadDataset({ hub: ${JSON.stringify(name)}` +
      `${names.length ? `, config: ${JSON.stringify(names[0])}` : ""} })`,
  );
}

function byPattern(files: string[], config: Entry, name: string): Map<string, string[]> {
  const folder = typeof config.data_dir === "string"
    ? `${config.data_dir.replace(/\/$/, "")}/`
    : "";
  const missing = (split: string, what: string) => {
    throw new TypeError(
      `Cannot load ${name} as its split ${split} must have files in parquet, csv, tsv, jsonl or json: its card ` +
        `names ${what}. Choose another configuration or revision`,
    );
  };
  const splits = new Map<string, string[]>();
  for (const entry of [config.data_files].flat()) {
    const [split, patterns] = isEntry(entry)
      ? [String(entry.split ?? "train"), [entry.path].flat()]
      : ["train", [entry]];
    const found = patterns.flatMap((pattern) => {
      const glob = folder + String(pattern).replace(/^\.\//, "");
      if (glob.length > MAX_PATTERN || glob.split(/[*?]/).length > MAX_WILDCARDS + 1) {
        const shown = glob.slice(0, 100);
        throw new RangeError(
          `Cannot load ${name} as a path in its card must have at most ${MAX_PATTERN} characters and ` +
            `${MAX_WILDCARDS} wildcards: current value is ${shown}. Choose another repository`,
        );
      }
      const matching = files.filter((path) => path === glob || matchesGlob(path, glob)).sort();
      if (matching.length === 0 && !/[*?[{]/.test(glob)) missing(split, glob);
      return matching;
    });
    splits.set(split, [...new Set([...splits.get(split) ?? [], ...found])]);
  }
  for (const [split, files] of splits) {
    if (files.length === 0) missing(split, "no file that is there");
  }
  return splits;
}

/**
 * Files by the splits that their names say: numbered shards in data/, else names of folders, else names of files; all are
 * for training if there are none such. Of a split's files of several kinds, those of the kind that most have.
 */
function byName(files: string[], name: string): Map<string, string[]> {
  const rules: ((path: string) => string[])[] = [
    (path) => path.match(/^data\/(\w+(?:\.\w+)*)-\d{5}-of-\d{5}[^/]*$/)?.slice(1) ?? [],
    (path) => splitsIn(path.split("/").slice(0, -1)),
    (path) => splitsIn(path.split("/").slice(-1)),
    () => ["train"],
  ];
  const rule = rules.find((rule) => files.some((path) => rule(path).length > 0)) ?? rules[0]!;
  const splits = Map.groupBy(
    files.toSorted().flatMap((path) => rule(path).map((split) => ({ split, path }))),
    ({ split }) => split,
  );
  return new Map(
    [...splits].map(([split, files]) => [split, alike(files.map(({ path }) => path), split, name)]),
  );
}

/** The splits of which a keyword stands alone in a name. */
const splitsIn = (names: string[]) =>
  Object.keys(KEYWORDS).filter((split) => {
    const keyword = new RegExp(`(^|[-._ 0-9])(${KEYWORDS[split]})([-._ 0-9]|$)`);
    return names.some((name) => keyword.test(name));
  });

/** The files of the kind that most have; others are said. */
function alike(files: string[], split: string, name: string): string[] {
  const kindOf = (path: string) => path.toLowerCase().match(DATA_FILE)![1]!.replace(/\..*/, "");
  const count = (kind: string) => files.filter((path) => kindOf(path) === kind).length;
  const [kind] = KINDS.toSorted((a, b) => count(b) - count(a));
  const [taken, others] = [true, false].map((like) =>
    files.filter((path) => (kindOf(path) === kind) === like)
  ) as [string[], string[]];
  if (others.length > 0) {
    const few = others.slice(0, 3).join(", ") + (others.length > 3 ? ", …" : "");
    console.warn(`${name}: its split ${split} is taken from the files in ${kind}, without ${few}`);
  }
  return taken;
}

/** The names of each ClassLabel among a card's features. */
function cardNames(features: unknown): Map<string, string[]> {
  const named = list(features).flatMap(({ name, dtype }) => {
    const names = isEntry(dtype) && isEntry(dtype.class_label)
      ? dtype.class_label.names
      : undefined;
    if (!isEntry(names)) return [];
    const labels = Object.keys(names).map((_, i) => names[i]);
    return labels.includes(undefined) ? [] : [[String(name), labels.map(String)] as const];
  });
  return new Map(named);
}
