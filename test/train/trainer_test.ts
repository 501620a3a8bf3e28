import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { assertClose, maxDifference } from "../close.ts";
import { readReference } from "../fixtures/reference.ts";
import { examples } from "../fixtures/training.ts";
import {
  addLora,
  type Batch,
  type Classifier,
  evaluate,
  loadClassifier,
  type TextModel,
  Trainer,
  type TrainerOptions,
} from "lightweight-finetuning";

const reference = await readReference("bert");
const all = examples(reference, 2);
const rows = { inputIds: all.inputIds.slice(0, 10), labels: all.labels };
const COMMON: TrainerOptions = {
  train: rows,
  evaluation: { inputIds: all.inputIds.slice(10), labels: Array.from(all.labels).slice(10) },
  learningRate: 1e-3,
  perDeviceTrainBatchSize: 4,
};

const ways: Record<string, (model: Classifier) => TextModel> = {
  full: (model) => model,
  lora: (model) => addLora(model, { loraDropout: 0.1 }),
};

const numbers = (model: TextModel) =>
  [...model.parameters.values()].map((variable) => variable.dataSync<"float32">().slice());

/** The model, and the batches that it is trained on. */
async function watched() {
  const model = await loadClassifier(reference.folder);
  const seen: Batch[] = [];
  const forward: TextModel["forward"] = (batch, random) => {
    if (random) seen.push(batch);
    return model.forward(batch, random);
  };
  return { model: { ...model, forward }, seen };
}

for (const [way, adapt] of Object.entries(ways)) {
  Deno.test(`train() keeps no tensor over its ${way} steps and evaluations`, async () => {
    const model = adapt(await loadClassifier(reference.folder));
    const before = tf.memory().numTensors;
    const counts: number[] = [];
    const trainer = new Trainer(model, {
      ...COMMON,
      numTrainEpochs: 7,
      evalSteps: 5,
      listeners: [(event) => {
        if (event.type === "step") counts[event.step] = tf.memory().numTensors;
      }],
    });
    await trainer.train();
    assert.equal(counts.length, 22);
    assert.equal(counts[20], counts[3]);
    assert.ok(counts[3]! > before); // Adam's moments
    assert.equal(tf.memory().numTensors, before);
  });

  Deno.test(`train() with dropout is decided by the seed, ${way}`, async () => {
    const run = async (seed: number) => {
      const model = adapt(await loadClassifier(reference.folder));
      await new Trainer(model, { ...COMMON, seed }).train();
      return numbers(model);
    };
    const [first, same, other] = [await run(1), await run(1), await run(2)];
    assert.deepEqual(same, first);
    assert.ok(first.some((values, i) => maxDifference(values, other[i]!) > 1e-3));
  });
}

Deno.test("train() goes through all rows in each epoch, the last batch smaller", async () => {
  const { model, seen } = await watched();
  const { epoch, step } = await new Trainer(model, { ...COMMON, numTrainEpochs: 1.5 }).train();
  assert.deepEqual([step, epoch], [5, 5 / 3]);
  assert.deepEqual(seen.map(({ size }) => size), [4, 4, 2, 4, 4]);
  const [first, second] = [seen.slice(0, 3), seen.slice(3)].map((batches) =>
    batches.flatMap(({ rows }) => rows)
  );
  assert.deepEqual(first!.toSorted((a, b) => a - b), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  assert.notDeepEqual(first, first!.toSorted((a, b) => a - b));
  assert.equal(new Set(second).size, 8);
  assert.notDeepEqual(second, first!.slice(0, 8));
});

Deno.test("train() goes through the rows in their own order when it is sequential", async () => {
  const { model, seen } = await watched();
  await new Trainer(model, { ...COMMON, numTrainEpochs: 2, trainSamplingStrategy: "sequential" })
    .train();
  const once = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]];
  assert.deepEqual(seen.map(({ rows }) => rows), [...once, ...once]);
});

Deno.test("train() records losses and evaluations when they are due, and at the last step", async () => {
  const model = await loadClassifier(reference.folder);
  const events: string[] = [];
  const trainer = new Trainer(model, {
    ...COMMON,
    numTrainEpochs: 1.5,
    perDeviceEvalBatchSize: 4,
    evalSteps: 2,
    loggingSteps: 3,
    listeners: [(event) => {
      events.push(event.type);
    }],
  });
  const result = await trainer.train();
  const always = ["step", "epoch", "learningRate", "gradNorm"];
  assert.deepEqual(trainer.history.map((record) => Object.keys(record)), [
    [...always, "evalLoss", "accuracy"],
    [...always, "loss"],
    [...always, "evalLoss", "accuracy"],
    [...always, "loss", "evalLoss", "accuracy"],
  ]);
  assert.deepEqual(trainer.history.map(({ step }) => step), [2, 3, 4, 5]);
  assert.deepEqual(trainer.history.map(({ epoch }) => epoch), [2 / 3, 1, 4 / 3, 5 / 3]);
  assertClose(trainer.history.map((x) => x.learningRate), [8e-4, 6e-4, 4e-4, 2e-4], 1e-9);
  const [, third, , last] = trainer.history;
  assertClose([(3 * third!.loss! + 2 * last!.loss!) / 5], [result.trainLoss], 1e-9);
  const { loss, accuracy } = await evaluate(model, COMMON.evaluation, { batchSize: 4 });
  assert.deepEqual([last!.evalLoss, last!.accuracy], [loss, accuracy]);
  // 6 rows are two batches.
  const recorded = ["step", "evaluate", "evaluate", "record"];
  assert.deepEqual(events, [
    ...["begin", "step", ...recorded, "step", "record", ...recorded, ...recorded, "end"],
  ]);
});

Deno.test("train() reports the speed and Trainer's estimate of operations", async () => {
  const { model, seen } = await watched();
  const result = await new Trainer(model, { ...COMMON, numTrainEpochs: 1.5 }).train();
  const tokens = seen.reduce((sum, { size, length }) => sum + size * length, 0); // padding counts
  const outsideEmbeddings = 23_524 - (120 + 40 + 2) * 32; // vocabulary, positions, types
  assert.equal(result.totalFlos, 6 * tokens * outsideEmbeddings);
  assert.ok(result.trainRuntime > 0);
  const { trainSamplesPerSecond, trainStepsPerSecond, trainRuntime } = result;
  assertClose([trainStepsPerSecond * trainRuntime], [5], 1e-9);
  assertClose([trainSamplesPerSecond * trainRuntime], [10 * 5 / 3], 1e-9);
});

Deno.test("train() ends with the step and its rows when the loss is not a number", async () => {
  const model = await loadClassifier(reference.folder);
  const bias = model.parameters.get("bert.encoder.layer.0.output.dense.bias")!;
  const trainer = new Trainer(model, {
    ...COMMON,
    trainSamplingStrategy: "sequential",
    listeners: [(event) => {
      if (event.type === "step") tf.tidy(() => bias.assign(tf.fill(bias.shape as [number], NaN)));
    }],
  });
  await assert.rejects(trainer.train(), {
    message: "Cannot go on training as the loss must be a number: at step 2 it is NaN, the " +
      "gradients' norm NaN, on rows 4, 5, 6, 7. Try a lower learningRate",
  });
});

Deno.test("train() refuses to begin twice", async () => {
  const trainer = new Trainer(await loadClassifier(reference.folder), COMMON);
  await trainer.train();
  assert.throws(() => trainer.train(), {
    message: "Cannot train from the start as 9 of 9 steps are done: call resume(), or load the " +
      "model anew and make a new Trainer",
  });
});

Deno.test("Trainer refuses numbers out of their range, no rows and nothing to train", async () => {
  const model = await loadClassifier(reference.folder);
  const refuses = (options: Partial<TrainerOptions>, name: string, value: number) =>
    assert.throws(() => new Trainer(model, { ...COMMON, ...options }), {
      name: "RangeError",
      message: `Cannot train as '${name}' must be above 0: current value is ${value}`,
    });
  for (
    const name of [
      "learningRate",
      "numTrainEpochs",
      "perDeviceTrainBatchSize",
      "perDeviceEvalBatchSize",
      "evalSteps",
      "loggingSteps",
      "maxGradNorm",
    ]
  ) {
    for (const value of [0, -1, NaN]) refuses({ [name]: value }, name, value);
  }
  const none = { inputIds: [], labels: [] };
  refuses({ train: none }, "train rows", 0);
  refuses({ evaluation: none }, "evaluation rows", 0);
  model.parameters.forEach((variable) => variable.trainable = false);
  refuses({}, "trainable parameters", 0);
});
