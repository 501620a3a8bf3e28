import assert from "node:assert/strict";
import pl from "nodejs-polars";
import type { Dataset } from "../../lib/dataset/dataset.ts";
import { openDataset, saveDataset } from "../../lib/dataset/files.ts";
import { values } from "../helpers/sources.ts";

const PARTS = ["train", "evaluation", "test"] as const;
const ODD = ["", "a\0b", "😀", "one\r\ntwo", "x".repeat(1e6)];

function dataset(texts = ODD): Dataset {
  const label = pl.Series("label", texts.map((_, i) => i % 2), pl.Int32);
  const train = pl.DataFrame({ text: texts, label });
  return { labels: ["a", "b"], train, evaluation: train.head(2), test: train.tail(1) };
}

async function withFolder(use: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  await use(`${folder}/new/data`).finally(() => Deno.remove(folder, { recursive: true }));
}

const names = (folder: string) => Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
const WHOLE = ["dataset.json", "evaluation.parquet", "test.parquet", "train.parquet"];

Deno.test("openDataset() opens what saveDataset() wrote, whatever the texts", () =>
  withFolder(async (folder) => {
    const saved = dataset();
    await saveDataset(saved, folder);
    const opened = await openDataset(folder);
    assert.deepEqual(opened.labels, saved.labels);
    for (const part of PARTS) {
      assert.deepEqual(opened[part].toRecords(), saved[part].toRecords());
      assert.deepEqual(opened[part].dtypes, saved[part].dtypes);
    }
    assert.deepEqual(names(folder), WHOLE);
  }));

Deno.test("openDataset() names the file that is missing, and how to get it", () =>
  withFolder(async (folder) => {
    await saveDataset(dataset(), folder);
    for (const file of ["dataset.json", "test.parquet"]) {
      await Deno.remove(`${folder}/${file}`);
      await assert.rejects(
        openDataset(folder),
        new RegExp(`must hold what saveDataset\\(\\) wrote: .*/${file} is missing. Save it again`),
      );
    }
  }));

Deno.test("openDataset() refuses files of two saves", () =>
  withFolder(async (folder) => {
    await saveDataset(dataset(), folder);
    const old = await Deno.readFile(`${folder}/test.parquet`);
    await saveDataset(dataset(["other", "texts"]), folder);
    await Deno.writeFile(`${folder}/test.parquet`, old);
    await assert.rejects(openDataset(folder), {
      name: "Error",
      message: /test\.parquet has been changed\. Save it again/,
    });
  }));

Deno.test("openDataset() refuses a dataset.json that is cut", () =>
  withFolder(async (folder) => {
    await saveDataset(dataset(), folder);
    await Deno.truncate(`${folder}/dataset.json`, 20);
    await assert.rejects(
      openDataset(folder),
      /dataset\.json has been changed\. Save it again/,
    );
  }));

Deno.test("openDataset() is not touched by a save that comes later", () =>
  withFolder(async (folder) => {
    await saveDataset(dataset(), folder);
    const { train } = await openDataset(folder);
    await saveDataset(dataset(["other", "texts"]), folder);
    await Deno.truncate(`${folder}/train.parquet`);
    assert.deepEqual(values(train, "text"), ODD);
  }));

Deno.test("saveDataset() leaves the old files when it cannot write, and what is not its own", () =>
  withFolder(async (folder) => {
    await saveDataset(dataset(), folder);
    await Deno.writeTextFile(`${folder}/notes.md`, "mine");
    const full = new Deno.errors.WriteZero("the disk is full");
    for (const part of PARTS) {
      const broken = dataset(["other", "texts"]);
      broken[part].writeParquet = () => {
        throw full;
      };
      await assert.rejects(saveDataset(broken, folder), full);
      assert.deepEqual(names(folder), [...WHOLE, "notes.md"].sort());
      assert.deepEqual(values((await openDataset(folder)).train, "text"), ODD);
    }
    await saveDataset(dataset(["other", "texts"]), folder);
    assert.equal(await Deno.readTextFile(`${folder}/notes.md`), "mine");
  }));
