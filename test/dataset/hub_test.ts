import assert from "node:assert/strict";
import { loadDataset } from "../../lib/dataset/dataset.ts";
import { caughtWarnings, HUB, NEWS, values, withHub, withTrainSplit } from "../helpers/sources.ts";

const parquet = (name: string) =>
  new URL(`../fixtures/dataset/${name}.parquet`, import.meta.url).pathname;
const NAMES = "World, Sports, Business";

/** What test/fixtures/dataset.py wrote, and what the message says of it: row, column, remedy. */
const FAULTS: [file: string, name: string, message: RegExp][] = [
  ["no-text-column", "TypeError", /a column 'text': its columns are title, label\. Rename or add/],
  ["no-label-column", "TypeError", /a column 'label': its columns are text, topic\. Rename or add/],
  ["no-names", "TypeError", /'label' must be a ClassLabel in the parquet metadata .*\. Choose/],
  ["one-name", "RangeError", /at least two classes: current value is 4 rows of \["World"\]\. /],
  ["one-class", "RangeError", /at least two classes: .* 4 of Sports\. Raise 'trainRows' or choose/],
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

Deno.test("loadDataset() takes names and numbers as text for labels", () =>
  withTrainSplit(parquet("label-names"), async (options) => {
    const { train } = await loadDataset(NEWS, options);
    assert.deepEqual(values(train, "label"), [0, 1, 2, 0]);
  }));

Deno.test("loadDataset() keeps every text as it is in a repository", () =>
  withTrainSplit(parquet("odd-texts"), async (options) => {
    const { train } = await loadDataset(NEWS, options);
    const odd = ["", " ", "a\0b", "😀👩‍👩‍👧", "one\r\ntwo", "\ufeffmark", "e\u0301", "x".repeat(1e6)];
    assert.deepEqual(values(train, "text"), odd);
  }));

Deno.test("loadDataset() is not touched by what becomes of a cached file, and then names the cache", () =>
  withHub(HUB, async (options) => {
    using warnings = caughtWarnings();
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
        `tiny/news's train split .* must be whole .*\\. Remove ${cache} and load again`,
      ),
    });
    assert.equal(warnings.said.length, 2);
    await Deno.remove(cache, { recursive: true });
    assert.deepEqual(values((await loadDataset(NEWS, options)).train, "text"), texts);
  }));
