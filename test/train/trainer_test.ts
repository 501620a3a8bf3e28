import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import {
  adamW,
  addLora,
  type Batch,
  clipByGlobalNorm,
  evaluate,
  type HistoryRecord,
  linearSchedule,
  loadClassifier,
  openDevice,
  readHistory,
  type TextModel,
  Trainer,
  type TrainerEvent,
  type TrainerOptions,
  writeHistory,
} from "lightweight-finetuning";
import { assertClose } from "../close.ts";
import { temporaryFolder } from "../fixtures/altered.ts";
import { readReference } from "../fixtures/reference.ts";
import { examples } from "../fixtures/training.ts";

await openDevice();
const reference = await readReference("bert");
const rows = examples(reference, 5);
const ten = { inputIds: rows.inputIds.slice(0, 10), labels: rows.labels };

const loadTiny = (dropout?: number) =>
  loadClassifier(reference.folder, dropout === undefined ? {} : { dropout });
const makeTrainer = (model: TextModel, options: Partial<TrainerOptions> = {}) =>
  new Trainer(model, { train: ten, evaluation: ten, learningRate: 1e-3, ...options });
const values = ({ parameters }: TextModel) =>
  [...parameters].map(([name, variable]) => [name, variable.dataSync().slice()]);

const ways = {
  full: () => loadTiny(),
  lora: async () => addLora(await loadTiny(), { loraDropout: 0.1 }),
};
for (const [way, load] of Object.entries(ways)) {
  Deno.test(`Trainer keeps no tensor of a ${way} step or an evaluation`, async () => {
    const model = await load();
    const before = tf.memory().numTensors;
    const counts = new Map<number, number>();
    const listen = (event: TrainerEvent) => {
      if (event.type === "step") counts.set(event.step, tf.memory().numTensors);
    };
    await makeTrainer(model, { numTrainEpochs: 10, evalSteps: 2, listeners: [listen] }).train();
    assert.ok(counts.get(3)! > before); // AdamW's moments
    assert.equal(counts.get(20), counts.get(3));
    assert.equal(tf.memory().numTensors, before);
  });

  Deno.test(`Trainer ends a ${way} run with the same bits for the same seed`, async () => {
    const run = async (seed: number) => {
      const model = await load();
      const trainer = makeTrainer(model, { train: rows, numTrainEpochs: 2, seed });
      await trainer.train();
      return { history: trainer.history, parameters: values(model) };
    };
    const first = await run(7);
    assert.deepEqual(await run(7), first);
    assert.notDeepEqual(await run(8), first);
  });
}

Deno.test("Trainer seeds dropout and the order of rows, and nothing else", async () => {
  const losses = async (
    seed: number,
    dropout: number,
    trainSamplingStrategy: "random" | "sequential",
  ) => {
    const options = { seed, trainSamplingStrategy, loggingSteps: 1, numTrainEpochs: 1 };
    const trainer = makeTrainer(await loadTiny(dropout), options);
    await trainer.train();
    return trainer.history.map(({ loss }) => loss);
  };
  assert.notDeepEqual(await losses(1, 0.1, "sequential"), await losses(2, 0.1, "sequential"));
  assert.notDeepEqual(await losses(1, 0, "random"), await losses(2, 0, "random"));
  assert.deepEqual(await losses(1, 0, "sequential"), await losses(2, 0, "sequential"));
});

Deno.test("Trainer stops at SIGINT, and resume() ends where a whole run does", async () => {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL("../fixtures/stopped.ts", import.meta.url).pathname],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
});

Deno.test("Trainer throws where the loss is not a number, and changes no weight", async () => {
  const model = await loadTiny();
  let before: unknown;
  const breakAtStep2 = (event: TrainerEvent) => {
    if (event.type !== "step" || event.step !== 2) return;
    model.parameters.get("classifier.bias")!.assign(tf.tensor1d([0, NaN, 0, 0]));
    before = values(model);
  };
  const trainer = makeTrainer(model, {
    perDeviceTrainBatchSize: 3,
    trainSamplingStrategy: "sequential",
    listeners: [breakAtStep2],
  });
  await assert.rejects(trainer.train(), {
    message: "Cannot go on training as the loss must be a number: at step 3 it is NaN, the " +
      "gradients' norm NaN, on rows 6, 7, 8. Try a lower learningRate",
  });
  assert.deepEqual(values(model), before);
});

Deno.test("Trainer takes every row once an epoch, in a new order, the last batch smaller", async () => {
  const model = await loadTiny();
  const trained: Batch[] = [];
  const forward: TextModel["forward"] = (batch, random) => {
    if (random) trained.push(batch);
    return model.forward(batch, random);
  };
  const options = { perDeviceTrainBatchSize: 4, numTrainEpochs: 2 };
  await makeTrainer({ ...model, forward }, options).train();
  assert.deepEqual(trained.map(({ size }) => size), [4, 4, 2, 4, 4, 2]);
  const orders = [trained.slice(0, 3), trained.slice(3)].map((epoch) =>
    epoch.flatMap((batch) => batch.rows)
  );
  for (const order of orders) {
    assert.deepEqual(order.toSorted((a, b) => a - b), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  }
  assert.notDeepEqual(orders[0], orders[1]);
});

Deno.test("Trainer records losses and evaluations when they are due, and both at the last step", async () => {
  const run = async (loggingSteps: number) => {
    const events: TrainerEvent[] = [];
    const model = await loadTiny();
    const trainer = makeTrainer(model, {
      numTrainEpochs: 1.5,
      perDeviceTrainBatchSize: 4, // 3 steps an epoch
      perDeviceEvalBatchSize: 6,
      evalSteps: 2,
      loggingSteps,
      listeners: [(event) => void events.push(event)],
    });
    const result = await trainer.train();
    return { model, result, events, history: trainer.history };
  };
  const { model, result, events, history } = await run(3);
  const each = (await run(1)).history.map(({ loss }) => loss!);
  const fields = ["step", "epoch", "learningRate", "gradNorm"];
  assert.deepEqual(history.map((record) => Object.keys(record)), [
    [...fields, "evalLoss", "accuracy"],
    [...fields, "loss"],
    [...fields, "evalLoss", "accuracy"],
    [...fields, "loss", "evalLoss", "accuracy"],
  ]);
  assert.deepEqual(history.map(({ step }) => step), [2, 3, 4, 5]);
  assertClose(history.map(({ epoch }) => epoch), [2 / 3, 1, 4 / 3, 5 / 3], 1e-12);
  assertClose(history.map(({ learningRate }) => learningRate), [8e-4, 6e-4, 4e-4, 2e-4], 1e-12);
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
  assertClose(
    [history[1]!.loss!, history[3]!.loss!, result.trainLoss],
    [sum(each.slice(0, 3)) / 3, sum(each.slice(3)) / 2, sum(each) / 5],
    1e-12,
  );
  const { loss, accuracy } = await evaluate(model, ten, { batchSize: 6 });
  assert.deepEqual([history[3]!.evalLoss, history[3]!.accuracy], [loss, accuracy]);

  assert.deepEqual(events[0], { type: "begin", totalSteps: 5, epochs: 1.5 });
  const evaluated = ["step", "evaluate", "evaluate", "record"];
  assert.deepEqual(events.map(({ type }) => type), [
    ...["begin", "step", ...evaluated, "step", "record"],
    ...[...evaluated, ...evaluated, "end"],
  ]);
  assert.deepEqual(events.at(-1), { type: "end", result });
  assert.deepEqual([result.step, result.epoch, result.stopped], [5, 5 / 3, false]);
  assertClose(
    [result.trainSamplesPerSecond, result.trainStepsPerSecond],
    [10 * (5 / 3) / result.trainRuntime, 5 / result.trainRuntime],
    1e-12,
  );
});

Deno.test("Trainer counts 6 operations a token and a parameter outside the embeddings", async () => {
  const train = { inputIds: [[2, 5, 6, 7, 3], [2, 5, 3], [2, 5, 6, 3]], labels: [0, 1, 2] };
  const { totalFlos } = await makeTrainer(await loadTiny(), {
    train,
    numTrainEpochs: 1,
    perDeviceTrainBatchSize: 2,
    trainSamplingStrategy: "sequential",
  }).train();
  const linear = (from: number, to: number) => (from + 1) * to;
  const norm = 2 * 32;
  const layer = 4 * linear(32, 32) + norm + linear(32, 64) + linear(64, 32) + norm;
  const parameters = norm + 2 * layer + linear(32, 32) + linear(32, 4);
  assert.equal(totalFlos, 6 * (2 * 5 + 1 * 4) * parameters);
});

const NUMBERS = [
  "learningRate",
  "numTrainEpochs",
  "perDeviceTrainBatchSize",
  "perDeviceEvalBatchSize",
  "evalSteps",
  "loggingSteps",
  "maxGradNorm",
] as const;

Deno.test("Trainer refuses numbers out of their range, no rows, and nothing to train", async () => {
  const model = await loadTiny();
  const assertRefused = (options: Partial<TrainerOptions>, name: string, value: number) =>
    assert.throws(() => makeTrainer(model, options), {
      name: "RangeError",
      message: `Cannot train as '${name}' must be above 0: current value is ${value}`,
    });
  for (const name of NUMBERS) {
    for (const value of [0, -1, NaN]) assertRefused({ [name]: value }, name, value);
  }
  const none = { inputIds: [], labels: [] };
  assertRefused({ train: none }, "train rows", 0);
  assertRefused({ evaluation: none }, "evaluation rows", 0);
  for (const variable of model.parameters.values()) variable.trainable = false;
  assertRefused({}, "trainable parameters", 0);
});

Deno.test("writeHistory() keeps a file of all records so far, which readHistory() reads", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/run/history.json`;
  const listen = writeHistory(path);
  const records: HistoryRecord[] = [
    { step: 1, epoch: 0.5, learningRate: 1e-5, gradNorm: 2.5, loss: 1.25 },
    { step: 2, epoch: 1, learningRate: 5e-6, gradNorm: 2, evalLoss: 1, accuracy: 0.75 },
  ];
  await listen({ type: "begin", totalSteps: 2, epochs: 1 });
  assert.deepEqual(await readHistory(path), []);
  for (const [i, record] of records.entries()) {
    await listen({ type: "record", record });
    assert.deepEqual(await readHistory(path), records.slice(0, i + 1));
  }
  await listen({ type: "begin", totalSteps: 2, epochs: 1 }); // resume()
  assert.deepEqual(await readHistory(path), records);
  const files = await Array.fromAsync(Deno.readDir(`${folder.path}/run`), ({ name }) => name);
  assert.deepEqual(files, ["history.json"]);
});

Deno.test("writeHistory() keeps the old file when it cannot write", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/history.json`;
  const listen = writeHistory(path);
  const record: HistoryRecord = { step: 1, epoch: 1, learningRate: 1, gradNorm: 1 };
  await listen({ type: "record", record });
  await Deno.symlink("/dev/full", `${path}.partial`); // the disk is full
  await assert.rejects(async () => await listen({ type: "record", record }), /No space left/);
  assert.deepEqual(await readHistory(path), [record]);
});

Deno.test("linearSchedule() falls in a line to zero and stays there", () => {
  const rates = [0, 1, 2, 3, 4, 5].map((done) => linearSchedule(8, done, 4));
  assert.deepEqual(rates, [8, 6, 4, 2, 0, 0]);
});

Deno.test("clipByGlobalNorm() scales all gradients to the norm, and only down", () => {
  const gradients = { a: tf.tensor1d([3, 0]), b: tf.tensor2d([[-4]]) };
  const clip = (maxNorm: number) => {
    const { clipped, norm } = clipByGlobalNorm(gradients, maxNorm);
    assert.equal(norm, 5);
    return [clipped.a!, clipped.b!].flatMap((gradient) => [...gradient.dataSync<"float32">()]);
  };
  assertClose(clip(1), [0.6, 0, -0.8], 1e-6);
  assert.deepEqual(clip(10), [3, 0, -4]);
});

Deno.test("adamW() steps by its moments' corrected quotient, and frees them", () => {
  const variable = tf.variable(tf.tensor1d([1, 1]));
  const before = tf.memory().numTensors;
  const optimizer = adamW({ beta1: 0.5, beta2: 0.75, epsilon: 0.5 });
  const step = (gradient: number[]) =>
    tf.tidy(() => optimizer.step([variable], { [variable.name]: tf.tensor1d(gradient) }, 0.1));
  // Mean 1 and square 1, by 1/2 and 1/4.
  step([2, -2]);
  assertClose(variable.dataSync(), [1 - 0.1 * 2 / 2.5, 1 + 0.1 * 2 / 2.5], 1e-6);
  // Mean 1/2 and square 3/4, by 3/4 and 7/16.
  step([0, 0]);
  const change = 0.1 * (2 / 3) / (Math.sqrt(12 / 7) + 0.5);
  assertClose(variable.dataSync(), [0.92 - change, 1.08 + change], 1e-6);
  assert.equal(tf.memory().numTensors, before + 2);
  optimizer.dispose();
  assert.equal(tf.memory().numTensors, before);
});
