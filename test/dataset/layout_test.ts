import assert from "node:assert/strict";
import { dirname } from "node:path";
import pl from "nodejs-polars";
import type { DatasetOptions, DatasetSource } from "../../lib/dataset/dataset.ts";
import { loadDataset } from "../../lib/dataset/dataset.ts";
import { layoutOf } from "../../lib/dataset/layout.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { caughtLines, caughtWarnings, values, withHub } from "../helpers/sources.ts";

type Files = Record<string, string | Uint8Array>;

/** Loads from a Hub whose repository me/data has these files. */
async function load(files: Files, source: object = {}, options: DatasetOptions = {}) {
  await using folder = await temporaryFolder();
  for (const [path, content] of Object.entries(files)) {
    const file = `${folder.path}/datasets/me/data/${path}`;
    await Deno.mkdir(dirname(file), { recursive: true });
    await (typeof content === "string"
      ? Deno.writeTextFile(file, content)
      : Deno.writeFile(file, content));
  }
  return await withHub(
    folder.path,
    (hub) => loadDataset({ hub: "me/data", ...source } as DatasetSource, { ...hub, ...options }),
  );
}

const rows = (name: string, count: number, labels: (string | number)[] = ["x", "y", "z"]) =>
  Array.from(
    { length: count },
    (_, i) => ({ text: `${name} ${i}`, label: labels[i % labels.length]! }),
  );
const csv = (...of: Parameters<typeof rows>) =>
  ["text,label", ...rows(...of).map(({ text, label }) => `${text},${label}`)].join("\n");
const jsonl = (...of: Parameters<typeof rows>) =>
  rows(...of).map((row) => JSON.stringify(row)).join("\n");
const parquet = (...of: Parameters<typeof rows>) =>
  Uint8Array.from(pl.DataFrame(rows(...of)).writeParquet() as unknown as Uint8Array);

/** The names at the beginning of each part's texts, and how many there are. */
const partsOf = ({ train, evaluation, test }: Awaited<ReturnType<typeof load>>) =>
  [train, evaluation, test].map((part) => {
    const names = new Set(values(part, "text").map((text) => String(text).split(" ")[0]));
    return `${[...names].sort()} ${part.height}`;
  });

const card = (yaml: string) => `---\n${yaml}\n---\n# A data set\n`;
const NAMED = card(`dataset_info:
  features:
    - name: text
      dtype: string
    - name: label
      dtype:
        class_label:
          names:
            '0': negative
            '1': neutral
            '2': positive`);
const CONFIGS = card(`configs:
- config_name: en
  data_files:
  - split: train
    path: en/part-*.jsonl
  - split: validation
    path:
    - en/val.jsonl
- config_name: de
  default: true
  data_files:
  - split: train
    path: "de/**/[tu]*.jsonl"
- config_name: fr
  data_dir: fr
  data_files: "*.jsonl"`);
const LANGUAGES = {
  "README.md": CONFIGS,
  "en/part-1.jsonl": jsonl("en1", 12),
  "en/part-2.jsonl": jsonl("en2", 6),
  "en/val.jsonl": jsonl("val", 3),
  "de/a/b/train.jsonl": jsonl("de", 30),
  "de/a/b/other.jsonl": jsonl("other", 30),
  "fr/all.jsonl": jsonl("fr", 60),
};

const LAYOUTS: [what: string, files: Files, source: object, labels: string[], parts: string[]][] = [
  ["one csv file", { "data.csv": csv("a", 30) }, {}, ["x", "y", "z"], ["a 24", "a 3", "a 3"]],
  [
    "csv files named after splits",
    { "train.csv": csv("train", 30), "my_dev.csv": csv("dev", 6), "test.csv": csv("test", 9) },
    {},
    ["x", "y", "z"],
    ["train 30", "dev 6", "test 9"],
  ],
  [
    "folders named after splits, packed",
    { "data/training/a.jsonl": jsonl("train", 27), "data/validation/a.jsonl": jsonl("valid", 6) },
    {},
    ["x", "y", "z"],
    ["train 24", "valid 6", "train 3"],
  ],
  [
    "parquet of several shards, with a validation split and labels named by the card",
    {
      "README.md": NAMED,
      "data/train-00000-of-00002.parquet": parquet("first", 15, [2, 0, 1]),
      "data/train-00001-of-00002.parquet": parquet("second", 15, [2, 0, 1]),
      "data/validation-00000-of-00001.parquet": parquet("valid", 6, [0, 1, 2]),
    },
    {},
    ["negative", "neutral", "positive"],
    ["first,second 27", "valid 6", "first,second 3"],
  ],
  [
    "parquet without names",
    { "data/train-00000-of-00001.parquet": parquet("train", 30, [2, 0, 1]) },
    {},
    ["0", "1", "2"],
    ["train 24", "train 3", "train 3"],
  ],
  ["a default configuration", LANGUAGES, {}, ["x", "y", "z"], ["de 24", "de 3", "de 3"]],
  ["a configuration", LANGUAGES, { config: "en" }, ["x", "y", "z"], [
    "en1,en2 15",
    "val 3",
    "en1,en2 3",
  ]],
  ["a configuration of a folder", LANGUAGES, { config: "fr" }, ["x", "y", "z"], [
    "fr 48",
    "fr 6",
    "fr 6",
  ]],
  [
    "a single split of another name",
    { "data/complete-00000-of-00001.parquet": parquet("all", 30) },
    {},
    ["x", "y", "z"],
    ["all 24", "all 3", "all 3"],
  ],
  [
    "splits of other names",
    {
      "data/fold_a-00000-of-00001.parquet": parquet("a", 30),
      "data/fold_b-00000-of-00001.parquet": parquet("b", 6),
    },
    { splits: { train: "fold_a", test: "fold_b" } },
    ["x", "y", "z"],
    ["a 27", "a 3", "b 6"],
  ],
  [
    "files of the kind that most have",
    {
      "train.csv": csv("train", 30),
      "test.csv": csv("test", 6),
      "config.json": "{}",
      "extra.jsonl": "{}",
    },
    {},
    ["x", "y", "z"],
    ["train 27", "train 3", "test 6"],
  ],
];
for (const [what, files, source, labels, parts] of LAYOUTS) {
  Deno.test(`loadDataset() finds ${what} in a repository`, async () => {
    const dataset = await load(files, source);
    assert.deepEqual(dataset.labels, labels);
    assert.deepEqual(partsOf(dataset), parts);
    for (const part of [dataset.train, dataset.evaluation, dataset.test]) {
      for (const [text, label] of part.select("text", "label").rows()) {
        const number = Number(String(text).split(" ")[1]) % 3;
        const expected =
          { x: number, 0: [2, 0, 1][number], negative: [2, 0, 1][number] }[labels[0]!];
        if (!String(text).startsWith("valid")) assert.equal(label, expected);
      }
    }
  });
}

interface Case {
  files: string[];
  readme: string;
  config: string | null;
  /** Files by split, or the name of the error. */
  splits: Record<string, string[]> | string;
}

Deno.test("layoutOf() takes the files that Hugging Face's datasets takes, in 300 random repositories", async () => {
  const fixture = new URL("../fixtures/layouts.json", import.meta.url);
  const cases: Case[] = JSON.parse(await Deno.readTextFile(fixture));
  using _warnings = caughtWarnings();
  let both = 0;
  for (const { files, readme, config, splits } of cases) {
    const ours = () =>
      layoutOf(files, readme && card(readme), config ?? undefined, "me/data").splits;
    const shown = JSON.stringify({ files, readme, config });
    if (typeof splits !== "string" && Object.values(splits).every((files) => files.length > 0)) {
      // It takes a file twice that two patterns match; here no row is trained on twice.
      const expected = Object.entries(splits).map((
        [split, files],
      ) => [split, [...new Set(files)].sort()]);
      const found = [...ours()].map(([split, files]) => [split, files.toSorted()]);
      assert.deepEqual(found.sort(), expected.sort(), shown);
      both++;
      continue;
    }
    try {
      // It reads one format for all splits, and refuses others; here each split may have its own.
      const kinds = new Set([...ours().values()].flat().map((path) => path.split(".").at(-1)));
      assert.ok(splits === "ValueError" && kinds.size > 1, shown);
    } catch (error) {
      assert.match(String(error), /^(Type|Range)Error: Cannot load me\/data as /, shown);
    }
  }
  assert.ok(both > 150);
});

const REFUSED: [what: string, files: Files, source: object, message: RegExp][] = [
  [
    "only a script",
    { "data.py": "import datasets" },
    {},
    /current value is data\.py, a Python script that makes them\. Choose/,
  ],
  [
    "only pictures",
    { "a.png": "x", "b.png": "y" },
    {},
    /data files in parquet, csv, .*: current value is \.png\. Choose/,
  ],
  [
    "several configurations",
    { ...LANGUAGES, "README.md": CONFIGS.replace("  default: true\n", "") },
    {},
    /'config' must be one of its configurations, en, de, fr: .*\. Write, for example, loadDataset\(\{ hub: "me\/data", config: "en" \}\)/,
  ],
  [
    "another configuration",
    LANGUAGES,
    { config: "es" },
    /one of its configurations, en, de, fr: current value is es/,
  ],
  [
    "no configurations",
    { "data.csv": csv("a", 9) },
    { config: "es" },
    /its configurations, none: current value is es/,
  ],
  [
    "another split",
    { "data.csv": csv("a", 9) },
    { splits: { test: "dev" } },
    /'splits\.test' must be one of its splits, train: current value is 'dev'/,
  ],
  [
    "a mistyped part",
    { "data.csv": csv("a", 9) },
    { splits: { tset: "dev" } },
    /'tset'\. Did you mean 'test'\?/,
  ],
  [
    "splits of unclear names",
    {
      "data/a-00000-of-00001.parquet": parquet("a", 9),
      "data/b-00000-of-00001.parquet": parquet("b", 9),
    },
    {},
    /which of its splits to train on: they are a, b\. Write, for example, .* splits: \{ train: "a" \}/,
  ],
  [
    "files of other columns",
    { "train-1.csv": csv("a", 9), "train-2.csv": csv("b", 9).replace("text", "txt") },
    {},
    /train split as its files must have the same columns: they have label, text, and label, txt\./,
  ],
  [
    "a pattern that takes for ever",
    {
      "README.md": card(`configs:\n- config_name: a\n  data_files: "${"*a".repeat(40)}b"`),
      [`${"a".repeat(60)}.csv`]: csv("a", 9),
    },
    {},
    /at most 200 characters and 8 wildcards/,
  ],
];
for (const [what, files, source, message] of REFUSED) {
  Deno.test(`loadDataset() refuses a repository with ${what}`, () =>
    assert.rejects(load(files, source), message));
}

Deno.test("loadDataset() does not use a split whose labels are hidden, and says so", async () => {
  using warnings = caughtWarnings();
  for (const hidden of [csv("hidden", 9, [-1]), csv("hidden", 9).replace(/,.*/gm, "")]) {
    const files = { "train.csv": csv("train", 30, [1, 0]), "test.csv": hidden };
    const dataset = await load(files);
    assert.deepEqual(partsOf(dataset), ["train 24", "train 3", "train 3"]);
    assert.match(
      warnings.said.at(-1)!,
      /me\/data's test split has no labels \(they are hidden\) and is not used/,
    );
  }
});

Deno.test("layoutOf() takes no names of another configuration, nor any that are not numbered from 0", () => {
  const info = (config: string, from: number) =>
    `- config_name: ${config}\n  features:\n  - name: label\n    dtype: {class_label: {names: {'${from}': a, '${
      from + 1
    }': b}}}`;
  const configs = "configs:\n" +
    ["en", "de"].map((name) => `- config_name: ${name}\n  data_files: data.csv`).join("\n");
  const names = (infos: string[], config = "de") =>
    layoutOf(["data.csv"], card(`${configs}\ndataset_info:\n${infos.join("\n")}`), config, "x")
      .classNames.get("label");
  assert.deepEqual(names([info("en", 0), info("de", 0)]), ["a", "b"]);
  assert.equal(names([info("en", 0)]), undefined);
  assert.equal(names([info("de", 1)]), undefined);
});

Deno.test("layoutOf() says which files it leaves out, as they are of another format", () => {
  using warnings = caughtWarnings();
  const { splits } = layoutOf(["a.csv", "b.csv", "c.jsonl"], "", undefined, "me/data");
  assert.deepEqual([...splits], [["train", ["a.csv", "b.csv"]]]);
  assert.deepEqual(warnings.said, [
    "me/data: its split train is taken from the files in csv, without c.jsonl",
  ]);
});

Deno.test("loadDataset() reads a card without sound YAML as none", async () => {
  using warnings = caughtWarnings();
  const dataset = await load({ "README.md": card("a: [1"), "data.csv": csv("a", 30) });
  assert.equal(dataset.train.height, 24);
  assert.match(warnings.said[0]!, /README\.md has no sound YAML and is not used/);
});

Deno.test("loadDataset() finds a repository's columns as a file's", async () => {
  using lines = caughtLines();
  const files = { "data.csv": csv("a", 30).replace("text,label", "Sentence,Category") };
  await load(files);
  assert.deepEqual(lines.lines, [
    "me/data's train split: texts from 'Sentence', classes from 'Category'",
  ]);
  await assert.rejects(load(files, {}, { labelColumn: "label" }), /Did you mean/);
});

Deno.test("loadDataset() without the network takes what the cache has, and names what it lacks", async () => {
  using _warnings = caughtWarnings();
  await using folder = await temporaryFolder();
  await Deno.mkdir(`${folder.path}/datasets/me/data`, { recursive: true });
  await Deno.writeTextFile(`${folder.path}/datasets/me/data/train.csv`, csv("a", 30));
  await withHub(folder.path, async (options) => {
    const offline = { ...options, offline: true };
    await assert.rejects(
      loadDataset("me/data", offline),
      /HF_HUB_OFFLINE is set and .* lacks its data files/,
    );
    const { train } = await loadDataset("me/data", options);
    const again = await loadDataset("me/data", offline);
    assert.deepEqual(values(again.train, "text"), values(train, "text"));
  });
});
