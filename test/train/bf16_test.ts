import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { openDevice, Trainer } from "lightweight-finetuning";
import { port } from "../../lib/device/port.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { crash, outcome, resumable, resumableTrainer } from "../helpers/resumable.ts";

await openDevice();
const bf16 = true;

for (const way of ["full", "lora", "ia3"]) {
  Deno.test(`a ${way} run in bfloat16 that was broken off ends with the bits of one that was not`, async () => {
    await using folders = new AsyncDisposableStack();
    const [whole, broken, exact] = [
      folders.use(await temporaryFolder()),
      folders.use(await temporaryFolder()),
      folders.use(await temporaryFolder()),
    ];
    const expected = await outcome(await resumableTrainer(whole.path, { bf16 }, way));
    for (const step of [3, 16]) await crash(broken.path, step, { bf16 }, way);
    assert.deepEqual(await outcome(await resumableTrainer(broken.path, { bf16 }, way)), expected);
    const float32 = await outcome(await resumableTrainer(exact.path, {}, way));
    assert.notEqual(float32.parameters, expected.parameters);
    const { trainLoss } = expected.result;
    assert.ok(Math.abs(trainLoss / float32.result.trainLoss - 1) < 0.01, `${trainLoss}`);
  });
}

Deno.test("a run in bfloat16 holds as many tensors at each step, and leaves the device in float32", async () => {
  for (const way of ["full", "lora"]) {
    const { model, options } = await resumable(way);
    const counts: number[] = [];
    const trainer = new Trainer(model, {
      ...options,
      bf16,
      loadBestModelAtEnd: false,
      listeners: [({ type }) => {
        assert.equal(port().precision, "float32");
        if (type === "step") counts.push(tf.memory().numTensors);
      }],
    });
    await trainer.train();
    const { precision } = port();
    assert.equal(precision, "float32");
    // Until the first evaluation, and from the second to the last.
    assert.equal(new Set(counts.slice(1, 7)).size, 1, `${way}: ${counts}`);
    assert.equal(new Set(counts.slice(8)).size, 1, `${way}: ${counts}`);
  }
});

Deno.test("a step in bfloat16 whose loss is not finite ends the run, and what it computed is freed", async () => {
  const { model, options } = await resumable("lora");
  const { numTensors } = tf.memory();
  const trainer = new Trainer(model, { ...options, bf16 });
  const weight = model.parameters.get("bert.encoder.layer.0.output.dense.weight")!;
  tf.tidy(() => weight.assign(tf.mul(weight, NaN)));
  await assert.rejects(trainer.train(), {
    message: /^Cannot continue training as the loss must be finite: at step 1 it is NaN/,
  });
  assert.equal(port().precision, "float32");
  assert.ok(tf.memory().numTensors <= numTensors + 2 * model.parameters.size);
});
