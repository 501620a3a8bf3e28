import assert from "node:assert/strict";
import { loadClassifier, Trainer, type TrainerOptions } from "lightweight-finetuning";
import { countIntervals, trainerOptions } from "../../lib/train/options.ts";
import { fixture } from "../helpers/reference.ts";
import { readCases } from "../helpers/training.ts";

const rows = { inputIds: [[2, 5, 3]], labels: [0] };
const given = { trainDataset: rows, evalDataset: rows };

function assertRefused(
  options: Record<string, unknown>,
  name: string,
  range: string,
  value: unknown,
) {
  assert.throws(() => trainerOptions({ ...given, ...options }), {
    name: "RangeError",
    message: `Cannot train as '${name}' must be ${range}: current value is ${value}`,
  });
}

/** What each option may be, and values that it may not be. */
const RANGES: [range: string, wrong: unknown[], names: (keyof TrainerOptions)[]][] = [
  ["above 0", [0, -1, NaN], ["learningRate", "numTrainEpochs"]],
  ["at least 0", [-1, NaN], [
    "warmupSteps",
    "weightDecay",
    "maxGradNorm",
    "earlyStoppingThreshold",
  ]],
  ["at least 1", [0, -1, NaN], ["earlyStoppingPatience"]],
  ["a whole number above 0", [0, -1, 1.5, NaN, Infinity], [
    "perDeviceTrainBatchSize",
    "gradientAccumulationSteps",
    "perDeviceEvalBatchSize",
    "saveTotalLimit",
  ]],
  ["a whole number above 0, or a share below 1", [0, -1, -0.5, 1.5, NaN, Infinity], [
    "evalSteps",
    "loggingSteps",
    "saveSteps",
  ]],
  ["a whole number from 1 to 65536", [0, -1, 1.5, NaN, Infinity, 1e9], ["padToMultipleOf"]],
  ["-1 or a whole number above 0", [0, -2, 1.5, NaN], ["maxSteps"]],
  ["linear, cosine, constant, constant_with_warmup", ["Linear", ""], ["lrSchedulerType"]],
  ["random, sequential, group_by_length", ["shuffled"], ["trainSamplingStrategy"]],
];

Deno.test("trainerOptions() refuses values out of their range", () => {
  for (const [range, wrong, names] of RANGES) {
    for (const name of names) {
      for (const value of wrong) assertRefused({ [name]: value }, name, range, value);
    }
  }
  assert.throws(() => trainerOptions({ ...given, metricForBestModel: "f1" }), {
    name: "RangeError",
    message: "Cannot choose the best model as 'metricForBestModel' must be one of evalLoss, " +
      "accuracy, macroF1, weightedF1, balancedAccuracy: current value is f1",
  });
});

Deno.test("trainerOptions() has the defaults of Transformers", async () => {
  const { defaults } = await readCases(fixture("trainer"));
  const options = trainerOptions(given);
  const ours = Object.entries(options).filter(([name]) => name in defaults);
  assert.equal(ours.length, 15);
  assert.deepEqual(Object.fromEntries(ours), defaults);
  const { loggingSteps, saveSteps } = trainerOptions({ ...given, evalSteps: 7 });
  assert.deepEqual([loggingSteps, saveSteps], [7, 7]);
});

Deno.test("a share of the steps is as many as Transformers' TrainerState.compute_steps() counts", () => {
  const cases = [
    { share: 0.1, total: 30, steps: 3 },
    { share: 0.1, total: 7, steps: 1 },
    { share: 0.3, total: 7, steps: 3 },
    { share: 0.5, total: 1, steps: 1 },
    { share: 0.07, total: 100, steps: 8 },
    { share: 0.999, total: 10, steps: 10 },
    { share: 5, total: 3, steps: 5 },
  ];
  for (const { share, total, steps } of cases) {
    const options = trainerOptions({ ...given, evalSteps: share });
    const { evalSteps, loggingSteps } = countIntervals(options, total);
    assert.deepEqual([evalSteps, loggingSteps], [steps, steps]);
  }
});

Deno.test("Trainer evaluates after each share of its steps", async () => {
  const model = await loadClassifier(fixture("bert"));
  const trainer = new Trainer(model, { ...given, maxSteps: 4, evalSteps: 0.5 });
  await trainer.train();
  const evaluated = trainer.history.filter(({ evalLoss }) => evalLoss !== undefined);
  assert.deepEqual(evaluated.map(({ step }) => step), [2, 4]);
  model.dispose();
});

Deno.test("trainerOptions() takes greater for better, but for a loss", () => {
  const better = (metricForBestModel: string) =>
    trainerOptions({ ...given, metricForBestModel, computeMetrics: () => ({}) }).greaterIsBetter;
  const names = ["loss", "eval_loss", "evalLoss", "accuracy", "lossless"];
  assert.deepEqual(names.map(better), [false, false, false, true, true]);
});

Deno.test("Trainer refuses a model of which nothing is trained", async () => {
  const model = await loadClassifier(fixture("bert"));
  for (const variable of model.parameters.values()) variable.trainable = false;
  assert.throws(() => new Trainer(model, given), {
    name: "RangeError",
    message: "Cannot train as 'trainable parameters' must be above 0: current value is 0",
  });
});

Deno.test("trainerOptions() takes the default where an option is undefined", () => {
  const names = ["seed", "learningRate", "evalSteps", "listeners", "greaterIsBetter"] as const;
  const nothing = Object.fromEntries(names.map((name) => [name, undefined]));
  const [defaults, filled] = [trainerOptions(given), trainerOptions({ ...given, ...nothing })];
  for (const name of names) assert.deepEqual(filled[name], defaults[name], name);
});
