import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { evaluate, openDevice, Trainer } from "lightweight-finetuning";
import { type DevicePort, port, usePort } from "../../lib/device/port.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { resumable } from "../helpers/resumable.ts";

await openDevice();

/** A device that tells of each read before it is done. */
function listening(before: (tensor: tf.Tensor) => void) {
  const { read } = port();
  const tellingRead: DevicePort["read"] = async (tensor) => {
    before(tensor);
    return await read(tensor);
  };
  return usePort({ ...port(), read: tellingRead });
}

Deno.test("Trainer reads once a step, and evaluate() once a batch", async () => {
  const { model, options } = await resumable("lora");
  const [steps, batches]: number[][] = [[], []];
  let reads = 0;
  using _ = listening(() => reads++);
  const trainer = new Trainer(model, {
    ...options,
    maxSteps: 6,
    evalSteps: 100,
    perDeviceEvalBatchSize: 10, // 4 batches
    listeners: [({ type }) => {
      if (type === "step") steps!.push(reads);
      if (type === "evaluate") batches!.push(reads);
    }],
  });
  await trainer.train();
  assert.deepEqual([steps, batches], [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10]]);
});

Deno.test("a checkpoint reads one weight at a time, after a look at all of them", async () => {
  await using folder = await temporaryFolder();
  const { model, options } = await resumable("full");
  const { length } = [...model.parameters].filter(([, { trainable }]) => trainable);
  const reads: number[][] = [];
  using _ = listening(({ shape }) => reads.push(shape));
  const trainer = new Trainer(model, {
    ...options,
    outputDir: folder.path,
    maxSteps: 1,
    evalDataset: { inputIds: [[2]], labels: [0] },
  });
  await trainer.train();
  assert.equal(reads.length, 2 + 1 + 3 * length); // step and evaluation, the look, weights and moments
  assert.deepEqual(reads[2], [length]);
});

Deno.test("a device that has no room only when it is read is told of, and keeps no tensor", async () => {
  const { model, options } = await resumable("full");
  const before = tf.memory().numTensors;
  using _ = listening(() => {
    throw new Error("OOM when allocating tensor with shape");
  });
  await assert.rejects(evaluate(model, options.evalDataset, { padToMultipleOf: 16 }), {
    message:
      "Cannot compute a batch of 32 rows × 16 tokens as the device's memory is full: lower " +
      "'batchSize' (a Trainer's 'perDeviceEvalBatchSize'), or truncate the texts to fewer tokens",
  });
  const trainer = new Trainer(model, { ...options, padToMultipleOf: 16 });
  await assert.rejects(trainer.train(), {
    message: "Cannot compute a batch of 4 rows × 16 tokens as the device's memory is full: lower " +
      "'perDeviceTrainBatchSize' and raise 'gradientAccumulationSteps' as much, which gives the " +
      "same result, or truncate the texts to fewer tokens",
  });
  assert.equal(tf.memory().numTensors, before);
});
