import assert from "node:assert/strict";
import pl, { type DataFrame } from "nodejs-polars";
import { loadDataset, type RowOptions } from "../../lib/dataset/dataset.ts";
import { printed } from "../helpers/jupyter.ts";
import { MIRROR, MIRROR_MISSING } from "../helpers/mirror.ts";
import {
  caughtWarnings,
  HUB,
  NEWS,
  values,
  withCsv,
  withHalved,
  withHub,
} from "../helpers/sources.ts";

/** The number that each of the tiny texts ends in: its row in the split. */
const rows = (frame: DataFrame) =>
  frame.getColumn("text").toArray().map((text) => Number(String(text).split(" ").at(-1)));

Deno.test("loadDataset() of AG News: both shards train, even test rows evaluate, odd ones test", async () => {
  using warnings = caughtWarnings();
  const dataset = await withHalved((options) => loadDataset("fancyzhx/ag_news", options));
  assert.deepEqual(dataset.labels, ["World", "Sports", "Business"]);
  assert.deepEqual(rows(dataset.train), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  assert.deepEqual(rows(dataset.evaluation), [0, 2, 4, 6, 8]);
  assert.deepEqual(rows(dataset.test), [1, 3, 5, 7]);
  assert.deepEqual(values(dataset.test, "label"), [1, 0, 2, 1]);
  assert.equal(String(dataset.train.schema.label), String(pl.Int32));
  // Its splits number the same few sentences from 0.
  const shared = ["evaluation", "test"].map((part) =>
    warnings.said.filter((warning) => warning.includes(`the part ${part} of fancyzhx/ag_news`))
      .join()
  );
  assert.match(shared[0]!, /5 of its 5 rows .* \(row 1 is training row 1, row 3 .*, …; .* Remove/);
  assert.match(shared[1]!, /4 of its 4 rows .* \(row 2 is training row 2, row 4 .*, …; .* Remove/);
});

Deno.test("loadDataset() of a repository without a validation split cuts it off the training rows", () =>
  withHub(HUB, async (options) => {
    using _warnings = caughtWarnings();
    const { train, evaluation, test } = await loadDataset(NEWS, options);
    assert.deepEqual([train, evaluation, test].map(({ height }) => height), [9, 3, 9]);
    assert.deepEqual(rows(test), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    const both = [...rows(train), ...rows(evaluation)].sort((a, b) => a - b);
    assert.deepEqual(both, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert.deepEqual(values(evaluation, "label").toSorted(), [0, 1, 2]);
    const some = await loadDataset(NEWS, { ...options, trainRows: 6, testRows: 3 });
    assert.deepEqual([some.train, some.test].map(({ height }) => height), [6, 3]);
    assert.deepEqual(values(some.test, "label").toSorted(), [0, 1, 2]);
  }));

Deno.test("loadDataset() of some rows of AG News: a sample that the seed decides, and the first of the others", () =>
  withHalved(async (options) => {
    using warnings = caughtWarnings();
    const load = (seed: number) =>
      loadDataset("fancyzhx/ag_news", {
        ...options,
        trainRows: 6,
        evaluationRows: 2,
        testRows: 1,
        seed,
      });
    const first = await load(1);
    assert.equal(new Set(rows(first.train)).size, 6);
    assert.deepEqual(rows(first.train), rows((await load(1)).train));
    assert.notDeepEqual(rows(first.train), rows((await load(2)).train));
    assert.deepEqual(rows(first.evaluation), [0, 2]);
    assert.deepEqual(rows(first.test), [1]);
    assert.match(
      warnings.said.join("\n"),
      /part test .* one class, 1 of Sports\. Raise 'testRows' or/,
    );
  }));

Deno.test("loadDataset() says of how many rows it takes some", () =>
  withHalved(async (options) => {
    const log = (rows: RowOptions) =>
      printed(async () => void await loadDataset("fancyzhx/ag_news", { ...options, ...rows }));
    assert.equal(await log({}), "");
    assert.equal(
      await log({ trainRows: 4, evaluationRows: 2 }),
      "fancyzhx/ag_news: 4 of 12 rows train, 2 of 5 rows evaluate",
    );
  }));

Deno.test("loadDataset() refuses more rows than there are, none, or half a row", () =>
  withHub(HUB, async (options) => {
    for (const count of [{ trainRows: 13 }, { evaluationRows: 0 }, { testRows: 1.5 }]) {
      const [option] = Object.keys(count);
      await assert.rejects(loadDataset(NEWS, { ...options, ...count }), (error: Error) => {
        return error instanceof RangeError && error.message.includes(`'${option}' must be`);
      });
    }
  }));

Deno.test("loadDataset() downloads a missing shard again", () =>
  withHub(HUB, async (options) => {
    using _warnings = caughtWarnings();
    const { train } = await loadDataset(NEWS, options);
    const snapshots = `${options.cacheFolder}/datasets--tiny--news/snapshots`;
    const [commit] = Array.from(Deno.readDirSync(snapshots), ({ name }) => name);
    await Deno.remove(`${snapshots}/${commit}/data/train-00001-of-00002.parquet`);
    await assert.rejects(
      loadDataset(NEWS, { ...options, offline: true }),
      /train-\*-of-00002.*1 of/,
    );
    const again = await loadDataset(NEWS, options);
    assert.deepEqual(values(again.train, "text"), values(train, "text"));
  }));

Deno.test({
  name: `loadDataset() of AG News: no text is both trained on and measured on${MIRROR_MISSING}`,
  ignore: MIRROR_MISSING !== "",
  async fn() {
    using warnings = caughtWarnings();
    const dataset = await withHub(
      MIRROR,
      (options) => loadDataset({ hub: "fancyzhx/ag_news" }, options),
    );
    assert.deepEqual(warnings.said, []);
    assert.deepEqual(dataset.labels, ["World", "Sports", "Business", "Sci/Tech"]);
    assert.deepEqual([dataset.evaluation.height, dataset.test.height], [3800, 3800]);
    assert.ok(dataset.train.height > 70_000);
    // The split's rows 0 and 1.
    assert.match(String(dataset.evaluation.getColumn("text").get(0)), /^Fears for T N pension/);
    assert.match(String(dataset.test.getColumn("text").get(0)), /^The Race is On: Second Private/);
  },
});

Deno.test("loadDataset() takes a name on the Hub or the path of a csv file as a text", async () => {
  using _warnings = caughtWarnings();
  const [named, whole] = await withHub(HUB, async (options) => [
    await loadDataset("tiny/news", options),
    await loadDataset(NEWS, options),
  ]);
  assert.deepEqual(values(named!.train, "text"), values(whole!.train, "text"));
  const rows = ["a", "b"].flatMap((label) => [1, 2, 3].map((i) => `${label} ${i},${label}`));
  await withCsv(["text,label", ...rows].join("\n"), async (file) => {
    const { labels, train } = await loadDataset(file);
    assert.deepEqual([labels, train.height], [["a", "b"], 2]);
  });
});
