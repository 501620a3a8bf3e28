import assert from "node:assert/strict";
import pl, { type DataFrame } from "nodejs-polars";
import { type Dataset, loadDataset } from "../../lib/dataset/dataset.ts";
import { openDataset, saveDataset } from "../../lib/dataset/files.ts";
import { serveHub } from "../fixtures/hub-server.ts";
import { MIRROR, MIRROR_MISSING } from "../fixtures/mirror.ts";

const HUB = new URL("../fixtures/hub", import.meta.url).pathname;
const NEWS = { hub: "tiny/news" };

async function withHub<T>(folder: string, use: (options: Options) => Promise<T>): Promise<T> {
  const cacheFolder = await Deno.makeTempDir();
  const hub = serveHub(folder);
  try {
    return await use({ endpoint: hub.url, cacheFolder, offline: false });
  } finally {
    await hub.close();
    await Deno.remove(cacheFolder, { recursive: true });
  }
}
type Options = { endpoint: string; cacheFolder: string; offline: boolean };

/** The number that each of the tiny texts ends in: its row in the split. */
const rows = (frame: DataFrame) =>
  frame.getColumn("text").toArray().map((text) => Number(String(text).split(" ").at(-1)));
const values = (frame: DataFrame, column: string) => frame.getColumn(column).toArray();

async function withCsv<T>(text: string, use: (file: string) => Promise<T>): Promise<T> {
  const file = await Deno.makeTempFile({ suffix: ".csv" });
  await Deno.writeTextFile(file, text);
  return await use(file).finally(() => Deno.remove(file));
}

Deno.test("a Hub data set: both shards train, even test rows evaluate, odd ones test", async () => {
  const dataset = await withHub(HUB, (options) => loadDataset(NEWS, options));
  assert.deepEqual(dataset.labels, ["World", "Sports", "Business"]);
  assert.deepEqual(rows(dataset.train), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  assert.deepEqual(rows(dataset.evaluation), [0, 2, 4, 6, 8]);
  assert.deepEqual(rows(dataset.test), [1, 3, 5, 7]);
  assert.deepEqual(values(dataset.test, "label"), [1, 0, 2, 1]);
  assert.equal(String(dataset.train.schema.label), String(pl.Int32));
});

Deno.test("row counts: a sample that the seed decides, and the first of the others", () =>
  withHub(HUB, async (options) => {
    const load = (seed: number) =>
      loadDataset(NEWS, { ...options, trainRows: 6, evaluationRows: 2, testRows: 1, seed });
    const first = await load(1);
    assert.equal(new Set(rows(first.train)).size, 6);
    assert.deepEqual(rows(first.train), rows((await load(1)).train));
    assert.notDeepEqual(rows(first.train), rows((await load(2)).train));
    assert.deepEqual(rows(first.evaluation), [0, 2]);
    assert.deepEqual(rows(first.test), [1]);
  }));

Deno.test("more rows than there are, none, or half a row are refused", () =>
  withHub(HUB, async (options) => {
    for (const count of [{ trainRows: 13 }, { evaluationRows: 0 }, { testRows: 1.5 }]) {
      const [option] = Object.keys(count);
      await assert.rejects(loadDataset(NEWS, { ...options, ...count }), (error: Error) => {
        return error instanceof RangeError && error.message.includes(`'${option}' must be`);
      });
    }
  }));

Deno.test("a missing shard is downloaded again", () =>
  withHub(HUB, async (options) => {
    await loadDataset(NEWS, options);
    const snapshots = `${options.cacheFolder}/datasets--tiny--news/snapshots`;
    const [commit] = Array.from(Deno.readDirSync(snapshots), ({ name }) => name);
    await Deno.remove(`${snapshots}/${commit}/data/train-00001-of-00002.parquet`);
    await assert.rejects(
      loadDataset(NEWS, { ...options, offline: true }),
      /train-\*-of-00002.*1 of/,
    );
    assert.equal((await loadDataset(NEWS, options)).train.height, 12);
  }));

Deno.test("a csv file is cut class by class in its own order", async () => {
  const names = ["b", "a", "b", "b", "a", "b", "a", "a", "b", "a", "a"];
  const text = "text,label\n" + names.map((name, i) => `"row, ${i}",${name}\n`).join("");
  const counts = { trainRows: 4, evaluationRows: 2, testRows: 2 };
  const dataset = await withCsv(text, (file) => loadDataset({ file }, counts));
  assert.deepEqual(dataset.labels, ["b", "a"]);
  assert.deepEqual(rows(dataset.train), [0, 1, 2, 4]);
  assert.deepEqual(rows(dataset.evaluation), [3, 6]);
  assert.deepEqual(rows(dataset.test), [5, 7]);
  assert.deepEqual(values(dataset.train, "label"), [0, 1, 0, 1]);
  const labels = ["a", "b"];
  const other = await withCsv(text, (file) => loadDataset({ file, labels }, counts));
  assert.deepEqual(values(other.train, "label"), [1, 0, 1, 0]);
});

Deno.test("the built-in headlines give each class its share of each part", async () => {
  const labels = ["World", "Sports", "Business", "Sci/Tech"];
  const dataset = await loadDataset({ file: "data/headlines.csv", labels });
  for (const [part, share] of [["train", 120], ["evaluation", 20], ["test", 20]] as const) {
    const numbers = values(dataset[part], "label");
    assert.deepEqual(
      labels.map((_, label) => numbers.filter((number) => number === label).length),
      labels.map(() => share),
      part,
    );
  }
});

Deno.test("a csv file that cannot be used is refused with row, column and remedy", async (t) => {
  const counts = { trainRows: 2, evaluationRows: 2, testRows: 2 };
  const labels = ["a", "b"];
  const good = "x,a\nx,b\n".repeat(3);
  const cases: [string, string, RegExp][] = [
    ["no label column", "text,topic\nx,a\n", /'label'.* text, topic; rename or add/],
    ["no text column", "txt,label\nx,a\n", /'text'.* txt, label; rename or add/],
    ["no text", `text,label\n${good},a\n`, /'text' must be .* row 7 .* is null; correct/],
    ["no label", `text,label\n${good}x,\n`, /'label' must be .* row 7 .* is null; correct/],
    ["unknown label", `text,label\nx,c\n${good}`, /must be one of a, b: .* row 1 .* is c; correct/],
    ["too few rows", "text,label\nx,a\nx,b\n", /class a must have 3 rows: current value is 1/],
  ];
  for (const [name, text, pattern] of cases) {
    await t.step(
      name,
      () => withCsv(text, (file) => assert.rejects(loadDataset({ file, labels }, counts), pattern)),
    );
  }
  await t.step(
    "uneven counts",
    () =>
      withCsv(`text,label\n${good}`, (file) =>
        assert.rejects(
          loadDataset({ file }, { ...counts, trainRows: 3 }),
          /multiple of its 2 classes/,
        )),
  );
  await t.step(
    "no file",
    () =>
      assert.rejects(loadDataset({ file: "data/none.csv" }), /'file' must be .* data\/none\.csv/),
  );
});

Deno.test("what is saved is opened the same", async () => {
  const folder = await Deno.makeTempDir();
  const dataset: Dataset = await withHub(HUB, (options) => loadDataset(NEWS, options));
  await saveDataset(dataset, `${folder}/new/data`);
  const opened = await openDataset(`${folder}/new/data`);
  assert.deepEqual(opened.labels, dataset.labels);
  for (const part of ["train", "evaluation", "test"] as const) {
    assert.deepEqual(opened[part].toRecords(), dataset[part].toRecords());
    assert.deepEqual(opened[part].dtypes, dataset[part].dtypes);
  }
  await Deno.remove(`${folder}/new/data/test.parquet`);
  await assert.rejects(
    openDataset(`${folder}/new/data`),
    /test\.parquet .* notebook 01-load with the same PROFILE first/,
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test({
  name: `AG News from the mirror${MIRROR_MISSING}`,
  ignore: MIRROR_MISSING !== "",
  async fn() {
    const dataset = await withHub(
      MIRROR,
      (options) => loadDataset({ hub: "fancyzhx/ag_news" }, { ...options, trainRows: 8000 }),
    );
    assert.deepEqual(dataset.labels, ["World", "Sports", "Business", "Sci/Tech"]);
    assert.deepEqual(
      [dataset.train.height, dataset.evaluation.height, dataset.test.height],
      [8000, 3800, 3800],
    );
    // The split's rows 0 and 1.
    assert.match(String(dataset.evaluation.getColumn("text").get(0)), /^Fears for T N pension/);
    assert.match(String(dataset.test.getColumn("text").get(0)), /^The Race is On: Second Private/);
  },
});
