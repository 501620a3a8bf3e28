import assert from "node:assert/strict";
import { outputOf } from "course";
import { openDataset } from "lightweight-finetuning";
import { temporaryFolder } from "../helpers/altered.ts";

Deno.test("outputOf() gives the path, or what its reader makes of it", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/number`, "42");
  const path = `${folder.path}/number`;
  assert.equal(await outputOf("01-load", path), path);
  const read = async (path: string) => Number(await Deno.readTextFile(path));
  assert.equal(await outputOf("01-load", path, read), 42);
});

Deno.test("outputOf() names the notebook to run again, whatever is wrong", async () => {
  await using folder = await temporaryFolder();
  const again = "Run the notebook 02-tokenize again with the same PROFILE";
  const tokens = `${folder.path}/run/tokens`;
  const rejects = (promise: Promise<unknown>, fault: RegExp) =>
    assert.rejects(promise, (error: Error) => {
      assert.match(error.message, fault);
      assert.ok(error.message.startsWith("Cannot continue from "), error.message);
      assert.ok(error.message.includes("/run/tokens: "), error.message);
      assert.ok(error.message.endsWith(again), error.message);
      assert.ok(error.cause instanceof Error);
      return true;
    });
  await rejects(outputOf("02-tokenize", tokens), /No such file/);
  await rejects(outputOf("02-tokenize", tokens, openDataset), /train\.parquet is missing/);
  await Deno.mkdir(tokens, { recursive: true });
  for (const name of ["train.parquet", "evaluation.parquet", "test.parquet", "dataset.json"]) {
    await Deno.writeTextFile(`${tokens}/${name}`, "damaged");
  }
  await rejects(outputOf("02-tokenize", tokens, openDataset), /dataset\.json has been changed/);
});
