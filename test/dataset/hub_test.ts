import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { loadDataset } from "../../lib/dataset/dataset.ts";
import {
  caughtLines,
  caughtWarnings,
  HUB,
  NEWS,
  values,
  withHub,
  withTrainSplit,
} from "../helpers/sources.ts";

const parquet = (name: string) =>
  fileURLToPath(new URL(`../fixtures/dataset/${name}.parquet`, import.meta.url));
const NAMES = "World, Sports, Business";

/** What test/fixtures/dataset.py wrote, and what the message says of it: row, column, remedy. */
const FAULTS: [file: string, name: string, message: RegExp][] = [
  [
    "no-label-column",
    "TypeError",
    /which column holds the classes[^]*"topic"[^]*labelColumn: "topic"/,
  ],
  ["one-name", "RangeError", /at least two classes: current value is 4 rows of \["World"\]\. /],
  ["one-class", "RangeError", /at least two classes: .* 3 of Sports\. Raise 'trainRows' or choose/],
  ["no-rows", "RangeError", /rows of at least two classes: current value is 0 rows of .*\. Add/],
  ["text-number", "TypeError", /'text' must be a text: .* row 1 .* is 1\. Correct or remove/],
  ["text-missing", "RangeError", /'text' must be a text: .* row 3 .* is null\. Correct or remove/],
  ["label-missing", "RangeError", /'label' must be one of .* row 3 .* is null\. Correct or remove/],
  ["label-too-large", "RangeError", /'label' must be one of .* row 3 .* is 3\. Correct or remove/],
  ["label-negative", "RangeError", /'label' must be one of .* row 3 .* is -1\. Correct or remove/],
  [
    "label-fraction",
    "RangeError",
    /'label' must be one of .* row 3 .* is 0\.5\. Correct or remove/,
  ],
  ["label-list", "RangeError", /'label' must be one of .* row 1 .* is 0\. Correct or remove/],
  [
    "label-unknown-name",
    "RangeError",
    new RegExp(
      `'label' must be one of ${NAMES}, or its number: .* row 3 .* is "Weather"\\. Correct`,
    ),
  ],
];
for (const [file, name, message] of FAULTS) {
  Deno.test(`loadDataset() refuses a split with the fault ${file}`, () =>
    withTrainSplit(parquet(file), async (options) => {
      await assert.rejects(loadDataset(NEWS, options), { name, message });
    }));
}

/** The bytes of a parquet file whose metadata 'huggingface' are another text, padded to the same length. */
function withMetadata(text: string): Uint8Array {
  const bytes = Deno.readFileSync(parquet("label-names"));
  const latin1 = new TextDecoder("latin1").decode(bytes);
  const [sound = ""] = latin1.match(/\{"info": [ -~]*\}{3,}/)!;
  bytes.set(new TextEncoder().encode(text.padEnd(sound.length)), latin1.indexOf(sound));
  return bytes;
}

/** A file of 70 MB that says that nearly all of it are metadata. */
function withLongMetadata(): Uint8Array {
  const bytes = new Uint8Array(70_000_000);
  const magic = new TextEncoder().encode("PAR1");
  bytes.set(magic);
  bytes.set(magic, bytes.length - 4);
  new DataView(bytes.buffer).setUint32(bytes.length - 8, bytes.length - 12, true);
  return bytes;
}

const UNNAMED: string[] = [
  ...["null", "[1, 2]", '{"info": ', '{"info": {"features": null}}', "5"],
  '{"info": {"features": {"label": {"names": [0, 1, 2]}}}}',
];
for (const text of UNNAMED) {
  Deno.test(`loadDataset() takes the labels themselves for names if the metadata are ${text}`, async () => {
    using _warnings = caughtWarnings();
    const file = await Deno.makeTempFile();
    await Deno.writeFile(file, withMetadata(text));
    const { labels } = await withTrainSplit(
      file,
      (options) => loadDataset(NEWS, { ...options, testRows: 0 }),
    )
      .finally(() => Deno.remove(file));
    assert.deepEqual(labels, ["World", "Sports", "2"]);
  });
}

Deno.test("loadDataset() refuses 70 MB of metadata", async () => {
  const file = await Deno.makeTempFile();
  await Deno.writeFile(file, withLongMetadata());
  await withTrainSplit(file, async (options) => {
    await assert.rejects(loadDataset(NEWS, options), {
      name: "TypeError",
      message: /train split as its parquet files must be .* 64 MB of .*\. If its cache .* remove/,
    });
  }).finally(() => Deno.remove(file));
});

Deno.test("loadDataset() takes ids for names where there are no others", async () => {
  using _warnings = caughtWarnings();
  const { labels } = await withTrainSplit(
    parquet("no-names"),
    (options) => loadDataset(NEWS, options),
  );
  assert.deepEqual(labels, ["0", "1", "2"]);
});

Deno.test("loadDataset() refuses a test split without the train split's columns", () =>
  withTrainSplit(parquet("no-text-column"), async (options) => {
    using _lines = caughtLines();
    const message = /test split as 'textColumns' must be one of .*'text' and 'label'.*'title'/;
    await assert.rejects(loadDataset(NEWS, options), { name: "TypeError", message });
  }));

Deno.test("loadDataset() takes names and numbers as text for labels", () =>
  withTrainSplit(parquet("label-names"), async (options) => {
    using _warnings = caughtWarnings();
    const { train, evaluation } = await loadDataset(NEWS, options);
    const labels = [train, evaluation].flatMap((part) => values(part, "label"));
    assert.deepEqual(labels.toSorted(), [0, 0, 1, 2]);
  }));

Deno.test("loadDataset() keeps every text as it is in a repository", () =>
  withTrainSplit(parquet("odd-texts"), async (options) => {
    using _warnings = caughtWarnings();
    const { train, evaluation } = await loadDataset(NEWS, options);
    const odd = ["", " ", "a\0b", "😀👩‍👩‍👧", "one\r\ntwo", "\ufeffmark", "e\u0301", "x".repeat(1e6)];
    const texts = [train, evaluation].flatMap((part) => values(part, "text"));
    assert.deepEqual(texts.toSorted(), odd.toSorted());
  }));

Deno.test("loadDataset() is not touched by what becomes of a cached file, and then names the cache", () =>
  withHub(HUB, async (options) => {
    using _warnings = caughtWarnings();
    const { train } = await loadDataset(NEWS, options);
    const texts = values(train, "text");
    const cache = `${options.cacheFolder}/datasets--tiny--news`;
    for (const { name } of Deno.readDirSync(`${cache}/blobs`)) {
      const blob = `${cache}/blobs/${name}`;
      Deno.writeFileSync(blob, Deno.readFileSync(blob).fill(0, 8));
    }
    assert.deepEqual(values(train, "text"), texts);
    await assert.rejects(loadDataset(NEWS, options), {
      name: "TypeError",
      message: new RegExp(
        `tiny/news's train split .* must be whole.*\\. If its cache ${cache} is damaged, remove it`,
      ),
    });
    await Deno.remove(cache, { recursive: true });
    assert.deepEqual(values((await loadDataset(NEWS, options)).train, "text"), texts);
  }));
