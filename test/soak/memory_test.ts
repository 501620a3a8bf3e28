import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import { openDevice, type TextModel, Trainer } from "lightweight-finetuning";
import { resumable } from "../helpers/resumable.ts";
import type { Sample } from "../helpers/steady.ts";

await openDevice();

/** SOAK=1 asks for it. */
const isLong = Deno.env.has("SOAK");
const steps = isLong ? 2000 : 200;
const MB = 2 ** 20;

for (const way of ["full", "lora"]) {
  Deno.test(`${steps} ${way} steps and as many evaluation batches need no more memory than a few`, async () => {
    const script = fileURLToPath(new URL("../helpers/steady.ts", import.meta.url));
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--v8-flags=--expose-gc", script, way, `${steps}`],
      stderr: "inherit",
    }).output();
    const told = JSON.parse(new TextDecoder().decode(stdout));
    const { batches, samples }: { batches: number; samples: Sample[] } = told;
    assert.equal(batches, steps);
    const counts = samples.map(({ tensors }) => tensors).slice(1); // the best weights come later
    assert.equal(new Set(counts).size, 1, counts.join());
    const megabytes = samples.map(({ rss }) => Math.round(rss / MB));
    console.log(`resident, in MB: ${megabytes.join(" ")}`);
    // V8's heap grows by 12 MB now and then, at other steps each time.
    const [early, late] = [megabytes.slice(2, 10), megabytes.slice(10)];
    assert.ok(Math.max(...late) <= Math.max(...early) + 32);
  });
}

/** Needs four terabytes, or says so as TensorFlow does after ten seconds. */
function demandTooMuch() {
  if (!isLong) {
    throw new Error("Cannot run MatMul: TensorFlow says 'OOM when allocating tensor with shape'");
  }
  const ones = tf.ones([2 ** 20, 1]);
  tf.matMul(ones, ones, false, true);
}

Deno.test("a batch that memory has no room for is told by its rows and tokens", async () => {
  const { model, options } = await resumable("full");
  const before = tf.memory().numTensors;
  const assertTold = async (inTraining: boolean, told: string) => {
    const forward: TextModel["forward"] = (batch, random) => {
      if (inTraining === (random !== undefined)) demandTooMuch();
      return model.forward(batch, random);
    };
    const trainer = new Trainer({ ...model, forward }, { ...options, padToMultipleOf: 16 });
    await assert.rejects(trainer.train(), (error: Error) => {
      assert.match(
        (error.cause as Error).message,
        /^Cannot run MatMul.*: TensorFlow says 'OOM when alloc/,
      );
      assert.equal(error.message, told);
      return true;
    });
    trainer.dispose();
    assert.equal(tf.memory().numTensors, before);
  };
  await assertTold(
    true,
    "Cannot compute a batch of 4 rows × 16 tokens as the device's memory is full: lower " +
      "'perDeviceTrainBatchSize' and raise 'gradientAccumulationSteps' as much, which gives the " +
      "same result, or truncate the texts to fewer tokens",
  );
  await assertTold(
    false,
    "Cannot compute a batch of 8 rows × 16 tokens as the device's memory is full: lower " +
      "'batchSize' (a Trainer's 'perDeviceEvalBatchSize'), or truncate the texts to fewer tokens",
  );
});
