import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import {
  averageMetrics,
  openDevice,
  type TextModel,
  Trainer,
  type TrainerEvent,
  type TrainerOptions,
} from "lightweight-finetuning";
import { weightsOfClasses } from "../../lib/train/class_weights.ts";
import { changes } from "../../lib/train/fingerprint.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { assertClose } from "../helpers/close.ts";
import { readReference } from "../helpers/reference.ts";
import { crash, resumableTrainer } from "../helpers/resumable.ts";
import { examples, first, loadWay } from "../helpers/training.ts";
import imbalance from "../fixtures/imbalance.json" with { type: "json" };

await openDevice();
const reference = await readReference("bert");
const rows = examples(reference, 3);
const names = ["World", "Sports", "Business\n", "Sci/Tech"];
const withLabels = (labels: number[]) => ({ inputIds: labels.map(() => [2, 5, 3]), labels });
const trainerOf = (model: TextModel, options: Partial<TrainerOptions>) =>
  new Trainer(model, { trainDataset: rows, evalDataset: first(rows, 8), ...options });

Deno.test("balanced class weights are scikit-learn's", () => {
  assert.equal(imbalance.balanced.length, 3);
  for (const { labels, weights } of imbalance.balanced) {
    const ours = weightsOfClasses("balanced", withLabels(labels), weights.map(String));
    assertClose(ours!, weights, 1e-7);
  }
});

Deno.test("balanced class weights need rows of each class, and the error names those without", () => {
  assert.throws(() => weightsOfClasses("balanced", withLabels([0, 1, 1]), names), {
    name: "RangeError",
    message: "Cannot train as 'classWeights' must be numbers where a class has no training rows: " +
      "current value is balanced, and no row is 'Business\\n', 'Sci/Tech'. Add such rows, load the " +
      "model without that label, or give a number for each class",
  });
});

Deno.test("Trainer refuses class weights that are not a number of at least 0 for each class", async () => {
  const model = await loadWay("full", reference.folder);
  const wrong = [
    [],
    [1, 1, 1],
    [1, 1, 1, 1, 1],
    [0, 0, 0, 0],
    [1, 1, 1, -1],
    [1, 1, 1, NaN],
    [1, 1, 1, Infinity],
    [1, 1, 1, 1e39], // beyond float32
    [1, 1, 1, "1"],
    "Balanced",
    1,
  ];
  for (const classWeights of wrong) {
    assert.throws(() => trainerOf(model, { classWeights: classWeights as number[] }), {
      name: "RangeError",
      message:
        "Cannot train as 'classWeights' must be \"balanced\" or a number of at least 0 for " +
        `each of the 4 classes, not all 0: current value is ${Deno.inspect(classWeights)}`,
    });
  }
});

for (const { way, loss, gradNorm } of imbalance.training) {
  Deno.test(`Trainer takes three ${way} steps with class weights as Transformers' does`, async () => {
    const trainer = trainerOf(await loadWay(way as "full" | "lora", reference.folder), {
      trainDataset: examples(reference, 10),
      classWeights: imbalance.weights,
      learningRate: 1e-3,
      maxSteps: 3,
      loggingSteps: 1,
      trainSamplingStrategy: "sequential",
    });
    await trainer.train();
    assertClose(trainer.history.map(({ loss }) => loss!), loss, 1e-4);
    assertClose(trainer.history.map(({ gradNorm }) => gradNorm), gradNorm, 1e-4);
  });
}

Deno.test("equal class weights train as none, and evalLoss is not weighted", async () => {
  const run = async (classWeights: TrainerOptions["classWeights"]) => {
    const trainer = trainerOf(await loadWay("full", reference.folder), {
      ...classWeights !== undefined && { classWeights },
      maxSteps: 3,
      loggingSteps: 1,
    });
    const { evalLoss } = await trainer.evaluate();
    await trainer.train();
    return { evalLoss, losses: trainer.history.map(({ loss }) => loss!) };
  };
  const [none, twos, balanced] = [
    await run(undefined),
    await run([2, 2, 2, 2]),
    await run("balanced"),
  ];
  assert.deepEqual(await run(null), none);
  assertClose(twos.losses, none.losses, 1e-5);
  assert.notDeepEqual(balanced.losses, none.losses);
  assert.equal(balanced.evalLoss, none.evalLoss);
});

Deno.test("a step of which all rows weigh 0 has a loss of 0, and training goes on", async () => {
  const trainer = trainerOf(await loadWay("full", reference.folder), {
    trainDataset: { inputIds: rows.inputIds.slice(0, 4), labels: [0, 0, 1, 2] },
    classWeights: [0, 1, 1, 1],
    perDeviceTrainBatchSize: 1,
    gradientAccumulationSteps: 2,
    maxSteps: 2,
    loggingSteps: 1,
    trainSamplingStrategy: "sequential",
  });
  await trainer.train();
  const [first, second] = trainer.history;
  assert.deepEqual([first!.loss, first!.gradNorm], [0, 0]);
  assert.ok(second!.loss! > 0);
});

Deno.test("Trainer keeps no tensor of a weighted step", async () => {
  const model = await loadWay("full", reference.folder);
  const counts: number[] = [];
  const listeners = [({ type }: TrainerEvent) => {
    if (type === "step") counts.push(tf.memory().numTensors);
  }];
  const before = tf.memory().numTensors;
  await trainerOf(model, { classWeights: "balanced", maxSteps: 6, listeners }).train();
  assert.equal(new Set(counts).size, 1);
  assert.equal(tf.memory().numTensors, before);
});

Deno.test("a weighted run resumes with the same weights alone", async () => {
  await using folder = await temporaryFolder();
  await crash(folder.path, 3, { classWeights: "balanced" });
  const stopAtOnce = ({ type }: TrainerEvent) => type === "step" ? "stop" as const : undefined;
  const resume = async (classWeights: "balanced" | number[] | null) => {
    const changed = { classWeights, listeners: [stopAtOnce] };
    const { trainer } = await resumableTrainer(folder.path, changed);
    return (await trainer.train()).step;
  };
  await assert.rejects(resume(null), /: classWeights was balanced and is null\./);
  await assert.rejects(resume([1, 1, 1, 1]), /: classWeights was balanced and is \[1,1,1,1\]\./);
  assert.equal(await resume("balanced"), 3);
});

Deno.test("a checkpoint from before there were class weights is of a run without", () => {
  const [older, now] = [{ seed: "42" }, { seed: "42", classWeights: "null" }];
  assert.deepEqual(changes(older, now, []), []);
  assert.deepEqual(changes(older, { ...now, classWeights: "balanced" }, []), [
    "classWeights was absent and is balanced",
  ]);
});

Deno.test("Trainer takes the best model by macroF1, and shows it to listeners", async () => {
  const model = await loadWay("full", reference.folder);
  const events: TrainerEvent[] = [];
  const trainer = trainerOf(model, {
    metricForBestModel: "macroF1",
    loadBestModelAtEnd: true,
    learningRate: 1e-3,
    maxSteps: 6,
    evalSteps: 1,
    listeners: [(event) => void events.push(event)],
  });
  const { bestStep, bestMetric } = await trainer.train();
  const f1 = trainer.history.map(({ macroF1 }) => macroF1!);
  assert.equal(bestMetric, Math.max(...f1));
  assert.equal(bestStep, f1.indexOf(bestMetric!) + 1);
  const begin = events.find(({ type }) => type === "begin") as TrainerEvent & { type: "begin" };
  assert.equal(begin.metricForBestModel, "macroF1");
  const { predictions, labels, metrics } = await trainer.predict(first(rows, 8));
  assert.equal(metrics.macroF1, bestMetric);
  const { testLoss: _loss, accuracy: _accuracy, ...averages } = metrics;
  assert.deepEqual(averages, averageMetrics(labels, predictions, 4));
});
