import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import {
  addLora,
  type Batch,
  evaluate,
  loadClassifier,
  openDevice,
  type TextModel,
  Trainer,
  type TrainerEvent,
  type TrainerListener,
  type TrainerOptions,
} from "lightweight-finetuning";
import { assertClose } from "../helpers/close.ts";
import { readReference } from "../helpers/reference.ts";
import { examples, first } from "../helpers/training.ts";

await openDevice();
const reference = await readReference("bert");
const rows = examples(reference, 5);
const ten = first(rows, 10);

const loadTiny = (dropout?: number) =>
  loadClassifier(reference.folder, dropout === undefined ? {} : { dropout });
const makeTrainer = (model: TextModel, options: Partial<TrainerOptions> = {}) =>
  new Trainer(model, { trainDataset: ten, evalDataset: ten, learningRate: 1e-3, ...options });
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
    await makeTrainer(model, {
      numTrainEpochs: 10,
      perDeviceTrainBatchSize: 2,
      gradientAccumulationSteps: 3,
      evalSteps: 2,
      loadBestModelAtEnd: true,
      listeners: [listen],
    }).train();
    const trained = [...model.parameters.values()].filter(({ trainable }) => trainable).length;
    assert.equal(counts.get(1), before + 2 * trained); // AdamW's moments
    assert.equal(counts.get(3), before + 3 * trained); // and the best weights
    assert.equal(counts.get(20), counts.get(3));
    assert.equal(tf.memory().numTensors, before);
  });

  Deno.test(`Trainer ends a ${way} run with the same bits for the same seed`, async () => {
    const run = async (seed: number) => {
      const model = await load();
      const trainer = makeTrainer(model, { trainDataset: rows, numTrainEpochs: 2, seed });
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
    args: ["run", "-A", fileURLToPath(new URL("../helpers/stopped.ts", import.meta.url))],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
});

Deno.test("Trainer goes on after a listener failed, exactly as if it had not", async () => {
  const run = async (listener: TrainerListener) => {
    const model = await loadTiny();
    return { model, trainer: makeTrainer(model, { listeners: [listener] }) };
  };
  const whole = await run(() => {});
  await whole.trainer.train();
  let failed = false;
  const { model, trainer } = await run((event) => {
    if (event.type === "step" && event.step === 3 && !failed) {
      failed = true;
      throw new Error("the disk is full");
    }
  });
  await assert.rejects(trainer.train(), { message: "the disk is full" });
  await trainer.resume();
  assert.deepEqual(values(model), values(whole.model));
});

Deno.test("dispose() frees what a Trainer holds that did not come to its end", async () => {
  const model = await loadTiny();
  const before = tf.memory().numTensors;
  const trainer = makeTrainer(model, {
    evalSteps: 1,
    loadBestModelAtEnd: true,
    listeners: [(event) => {
      if (event.type === "step" && event.step === 3) throw new Error("enough");
    }],
  });
  await assert.rejects(trainer.train(), { message: "enough" });
  assert.ok(tf.memory().numTensors > before);
  trainer.dispose();
  assert.equal(tf.memory().numTensors, before);
  await assert.rejects(trainer.resume(), /^Error: Cannot resume .* after 3 of 6 steps/);
});

Deno.test("Trainer draws dropout far from heads and adapters, and a new mask for each batch", async () => {
  const model = await loadTiny();
  const draws: number[] = [];
  const forward: TextModel["forward"] = (batch, random) => {
    if (random) draws.push(random.draws);
    return model.forward(batch, random);
  };
  const options = { perDeviceTrainBatchSize: 1, gradientAccumulationSteps: 2, maxSteps: 2 };
  await makeTrainer({ ...model, forward }, options).train();
  assert.equal(draws[0], 2 ** 30);
  const each = draws[1]! - draws[0]!;
  assert.ok(each > 0);
  assert.deepEqual(draws, [0, 1, 2, 3].map((batch) => 2 ** 30 + batch * each));
});

Deno.test("Trainer pads batches to a multiple, in training and in evaluation", async () => {
  const model = await loadTiny();
  const lengths = { training: new Set<number>(), evaluation: new Set<number>() };
  const forward: TextModel["forward"] = (batch, random) => {
    lengths[random ? "training" : "evaluation"].add(batch.length);
    return model.forward(batch, random);
  };
  const options = { perDeviceTrainBatchSize: 2, perDeviceEvalBatchSize: 2, maxSteps: 5 };
  await makeTrainer({ ...model, forward }, { ...options, padToMultipleOf: 7 }).train();
  for (const seen of Object.values(lengths)) {
    assert.deepEqual([...seen].toSorted((a, b) => a - b), [7, 14]);
  }
});

Deno.test("Trainer trains maxSteps steps, whatever numTrainEpochs says", async () => {
  const events: TrainerEvent[] = [];
  const { step, epoch } = await makeTrainer(await loadTiny(), {
    numTrainEpochs: 1,
    maxSteps: 5, // 2 make an epoch
    listeners: [(event) => void events.push(event)],
  }).train();
  assert.deepEqual([step, epoch], [5, 2.5]);
  assert.deepEqual(events[0], { type: "begin", totalSteps: 5, epochs: 3 });
});

Deno.test("Trainer records metrics of one's own, which may replace the accuracy", async () => {
  const heard: string[] = [];
  const trainer = makeTrainer(await loadTiny(), {
    maxSteps: 2,
    evalSteps: 1,
    computeMetrics({ logits, predictions, labels }) {
      heard.push(`${logits.length} ${predictions.length} ${labels === ten.labels}`);
      return { accuracy: 0.25, macroF1: heard.length };
    },
    metricForBestModel: "eval_macroF1",
  });
  const { bestStep, bestMetric } = await trainer.train();
  assert.deepEqual(heard, ["40 10 true", "40 10 true"]);
  assert.deepEqual(trainer.history.map(({ accuracy, macroF1 }) => [accuracy, macroF1]), [
    [0.25, 1],
    [0.25, 2],
  ]);
  assert.deepEqual([bestStep, bestMetric], [2, 2]);
});

Deno.test("Trainer refuses a metric's name that is taken, and an unknown one for the best model", async () => {
  const model = await loadTiny();
  const assertRefused = async (options: Partial<TrainerOptions>, message: string) => {
    const trainer = makeTrainer(model, { maxSteps: 1, ...options });
    await assert.rejects(trainer.train(), { name: "RangeError", message });
    trainer.dispose();
  };
  await assertRefused(
    { computeMetrics: () => ({ f1: 1, evalLoss: 2 }) },
    "Cannot record a metric as its name must be none of step, epoch, loss, evalLoss, " +
      "learningRate, gradNorm: current value is evalLoss. Rename it in 'computeMetrics'",
  );
  await assertRefused(
    { computeMetrics: () => ({ f1: 1 }), metricForBestModel: "f2" },
    "Cannot choose the best model as 'metricForBestModel' must be one of evalLoss, accuracy, " +
      "macroF1, weightedF1, balancedAccuracy, f1: current value is f2",
  );
});

Deno.test("Trainer ends with the best weights, to the bit, after early stopping", async () => {
  const model = await loadTiny();
  const f1 = [0.5, 0.75, 0.75, 0.5, 1];
  const kept: unknown[] = [];
  const result = await makeTrainer(model, {
    maxSteps: 10,
    evalSteps: 2,
    computeMetrics: () => ({ f1: f1[kept.push(values(model)) - 1]! }),
    metricForBestModel: "f1",
    earlyStoppingPatience: 2,
    loadBestModelAtEnd: true,
  }).train();
  assert.deepEqual([result.step, result.stopped], [8, false]);
  assert.deepEqual([result.bestStep, result.bestMetric], [4, 0.75]);
  assert.deepEqual(values(model), kept[1]);
  assert.notDeepEqual(kept[3], kept[1]);
});

Deno.test("Trainer evaluates, and ends for good, where a listener asks for it", async () => {
  const trainer = makeTrainer(await loadTiny(), {
    maxSteps: 10,
    listeners: [
      (event) => event.type === "step" && event.step === 3 ? "evaluate" : undefined,
      async (event) => {
        await Promise.resolve();
        if (event.type === "step" && event.step === 5) return "stop";
      },
      () => {},
    ],
  });
  const { step, stopped } = await trainer.train();
  assert.deepEqual([step, stopped], [5, false]);
  assert.deepEqual(trainer.history.map(({ step }) => step), [3]);
  assert.ok(trainer.history[0]!.evalLoss! > 0);
  assert.equal((await trainer.resume()).step, 5);
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
  const metrics = ["evalLoss", "accuracy"];
  metrics.push("macroF1", "weightedF1", "balancedAccuracy", "majorityShare");
  assert.deepEqual(history.map((record) => Object.keys(record)), [
    [...fields, ...metrics],
    [...fields, "loss"],
    [...fields, ...metrics],
    [...fields, "loss", ...metrics],
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

Deno.test("Trainer evaluates before the first step with evalOnStart, which changes nothing else", async () => {
  const run = async (evalOnStart: boolean) => {
    const model = await loadTiny(0.1);
    const { loss, accuracy } = await evaluate(model, ten, { batchSize: 8 });
    const options = { maxSteps: 4, evalSteps: 2, evalOnStart, earlyStoppingPatience: 1 };
    const trainer = makeTrainer(model, options);
    await trainer.train();
    return { untouched: { loss, accuracy }, history: trainer.history, parameters: values(model) };
  };
  const without = await run(false);
  const { untouched, history: [start, ...history], parameters } = await run(true);
  const { step, epoch, learningRate, gradNorm, evalLoss: loss, accuracy } = start!;
  assert.deepEqual([step, epoch, learningRate, gradNorm], [0, 0, 0, 0]);
  assert.deepEqual({ loss, accuracy }, untouched);
  assert.deepEqual({ untouched, history, parameters }, without);
});

Deno.test("Trainer counts 6 operations a token and a parameter outside the embeddings", async () => {
  const trainDataset = { inputIds: [[2, 5, 6, 7, 3], [2, 5, 3], [2, 5, 6, 3]], labels: [0, 1, 2] };
  const { totalFlos } = await makeTrainer(await loadTiny(), {
    trainDataset,
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

Deno.test("Trainer counts a weight of four bits like any other", async () => {
  const trainDataset = { inputIds: [[2, 5, 6, 7, 3]], labels: [0] };
  const count = async (loadIn4bit: boolean) => {
    const adapter = addLora(await loadClassifier(reference.folder, { loadIn4bit }));
    return (await makeTrainer(adapter, { trainDataset, numTrainEpochs: 1 }).train()).totalFlos;
  };
  assert.equal(await count(true), await count(false));
});

Deno.test("Trainer's evaluate() and predict() measure the model as it is, with the figures of one's own", async () => {
  const model = await loadTiny(0);
  const computeMetrics = () => ({ seven: 7 });
  const trainer = makeTrainer(model, { computeMetrics, numTrainEpochs: 1 });
  const { loss, logits, predictions, samplesPerSecond: _, ...others } = await evaluate(model, ten, {
    batchSize: 8,
  });
  const expected = { ...others, seven: 7 };
  assert.deepEqual(await trainer.evaluate(), { evalLoss: loss, ...expected });
  const { metrics, ...rows } = await trainer.predict(ten);
  assert.deepEqual(metrics, { testLoss: loss, ...expected });
  assert.deepEqual(rows, { logits, predictions, labels: ten.labels });
  await trainer.train();
  const { evalLoss } = await trainer.evaluate();
  assert.equal(evalLoss, trainer.history.at(-1)!.evalLoss);
  assert.notEqual(evalLoss, loss);
  const two = first(ten, 2);
  assert.notEqual((await trainer.evaluate(two)).evalLoss, evalLoss);
});

Deno.test("Trainer refuses to train twice at once, and to continue once it is disposed of", async () => {
  const model = await loadTiny(0);
  const again: Promise<unknown>[] = [];
  const trainer = makeTrainer(model, {
    numTrainEpochs: 1,
    listeners: [({ type }) => {
      if (type === "begin") again.push(trainer.train().catch(({ message }) => message));
    }],
  });
  await trainer.train();
  assert.match(String(await again[0]), /is training already/);

  const disposed: Trainer = makeTrainer(await loadTiny(0), {
    numTrainEpochs: 2,
    listeners: [({ type }) => {
      if (type === "step") disposed.dispose();
    }],
  });
  await assert.rejects(disposed.train(), /was disposed of after 1 of 4 steps/);
});
