import assert from "node:assert/strict";
import { defaultSettings, outputOf, recordOutput, type Settings } from "course";
import { openDataset, saveDataset } from "lightweight-finetuning";
import pl from "nodejs-polars";
import { temporaryFolder } from "../helpers/altered.ts";

const settings = defaultSettings("sample");

Deno.test("outputOf() gives the path, or what its reader makes of it", async () => {
  await using folder = await temporaryFolder();
  const run = { folder: folder.path, settings };
  await recordOutput(run, "data");
  await Deno.writeTextFile(`${folder.path}/data/number`, "42");
  assert.equal(await outputOf(run, "data/number"), `${folder.path}/data/number`);
  const read = async (path: string) => Number(await Deno.readTextFile(path));
  assert.equal(await outputOf(run, "data/number", read), 42);
});

Deno.test("outputOf() names the notebook to run again, whatever is wrong", async () => {
  await using folder = await temporaryFolder();
  const run = { folder: `${folder.path}/run`, settings };
  const rejects = (promise: Promise<unknown>, fault: RegExp) =>
    assert.rejects(promise, (error: Error) => {
      assert.match(error.message, fault);
      assert.ok(error.message.startsWith("Cannot continue from "), error.message);
      assert.ok(error.message.includes("/run/tokens: "), error.message);
      assert.ok(error.message.endsWith("Run the notebook 02-tokenize again"), error.message);
      assert.ok(error.cause instanceof Error);
      return true;
    });
  await rejects(outputOf(run, "tokens"), /No such file/);
  await rejects(outputOf(run, "tokens", openDataset), /train\.parquet is missing/);
  await Deno.mkdir(`${run.folder}/tokens`, { recursive: true });
  for (const name of ["train.parquet", "evaluation.parquet", "test.parquet", "dataset.json"]) {
    await Deno.writeTextFile(`${run.folder}/tokens/${name}`, "damaged");
  }
  await rejects(outputOf(run, "tokens", openDataset), /dataset\.json has been changed/);
});

Deno.test("outputOf() refuses what was made with other settings on which it depends, or of other data", async () => {
  await using folder = await temporaryFolder();
  const run = { folder: folder.path, settings };
  const dataset = (text: string) => {
    const frame = pl.DataFrame({ text: [text, "b"], label: [0, 1] });
    return { labels: ["a", "b"], train: frame, evaluation: frame, test: frame };
  };
  const saveData = async (text: string) => {
    await saveDataset(dataset(text), `${folder.path}/data`);
    await recordOutput(run, "data");
  };
  const saveTokens = async () => {
    await saveDataset(dataset("tokens"), `${folder.path}/tokens`);
    await recordOutput(run, "tokens");
  };
  await saveData("a");
  await saveTokens();
  const outputs = ["data", "tokens", "full", "lora", "lora-4bit"] as const;
  for (const output of outputs) await recordOutput(run, output);
  const affected = async (changed: Partial<Settings>) => {
    const now = { ...run, settings: { ...settings, ...changed } };
    const refused: string[] = [];
    for (const output of outputs) {
      await outputOf(now, output).catch(({ message }: Error) => {
        assert.match(
          message,
          /it was made with other settings \(.+, now .+\)\. Run the notebook 0/,
        );
        refused.push(output);
      });
    }
    return refused;
  };
  assert.deepEqual(await affected({}), []);
  assert.deepEqual(await affected({ data: "reviews.csv" }), outputs);
  assert.deepEqual(await affected({ trainRows: 100 }), outputs);
  assert.deepEqual(await affected({ model: "a/b" }), ["tokens", "full", "lora", "lora-4bit"]);
  assert.deepEqual(await affected({ numTrainEpochs: 9 }), ["full", "lora", "lora-4bit"]);
  assert.deepEqual(await affected({ bf16: true }), ["full", "lora", "lora-4bit"]);
  assert.deepEqual(await affected({ fullLearningRate: 9 }), ["full"]);
  assert.deepEqual(await affected({ r: 9, learningRate: 9 }), ["lora", "lora-4bit"]);

  await saveData("a"); // the same once more
  assert.ok(await outputOf(run, "tokens"));
  const record = `${folder.path}/data/made_with.json`;
  for (const spoil of [Deno.truncate, Deno.remove]) {
    await spoil(record);
    await assert.rejects(outputOf(run, "data"), {
      message: /made_with\.json does not say what .*\. Run the notebook 01-load again$/,
    });
  }
  await saveData("another text");
  await assert.rejects(outputOf(run, "tokens"), {
    message: /tokens: it was made of other data\. Run the notebook 02-tokenize again$/,
  });
});
