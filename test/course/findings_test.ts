import assert from "node:assert/strict";
import {
  asRows,
  besideOriginal,
  compareTrainings,
  conclusions,
  defaultSettings,
  type RunMetrics,
  type Training,
  whatWeSaw,
} from "course";
import type { HistoryRecord } from "lightweight-finetuning";

const at = (step: number, evalLoss: number, accuracy: number, loss?: number): HistoryRecord => ({
  ...{ step, epoch: step / 100, learningRate: 1e-3, gradNorm: 1, evalLoss, accuracy },
  ...loss !== undefined && { loss },
});
const result: Training = {
  ...{ trainRuntime: 20.4, trainSamplesPerSecond: 40, trainStepsPerSecond: 2.5, totalFlos: 1 },
  ...{ trainLoss: 0.7, epoch: 1, step: 100, stopped: false },
};
const start = { ...at(0, 1.3863, 0.25), gradNorm: 0, learningRate: 0 };

Deno.test("whatWeSaw() tells losses, accuracies, time and memory, and where the loss was lowest", () => {
  const history = [at(50, 0.5, 0.8, 0.9), at(100, 0.4, 0.85, 0.45)];
  assert.equal(
    whatWeSaw("LoRA", [start, ...history], { ...result, peakMemory: 1.234e9 }),
    `LoRA, 100 steps:
The validation loss went from 1.3863 to 0.4000; it was lowest at the end.
The last training loss, 0.4500, is above the validation loss.
The accuracy went from 25.00 % to 85.00 %.
It took 20 s, 40.0 samples a second, with at most 1.23 GB of memory in the process.`,
  );
  const risen = [at(50, 0.3, 0.9, 0.2), at(80, 0.6, 0.7, 0.1)];
  const said = whatWeSaw("LoRA", [start, ...risen], { ...result, step: 80, stopped: true });
  assert.match(said, /^LoRA, 80 steps, then stopped:/);
  assert.match(said, /to 0\.6000; it was lowest at step 50, with 0\.3000\./);
  assert.match(said, /The last training loss, 0\.1000, is below the validation loss\./);
  assert.match(said, /samples a second\.$/);
  assert.equal(whatWeSaw("LoRA", [], result), "LoRA: nothing was evaluated in 100 steps.");
});

Deno.test("compareTrainings() says which ends lower, and which was faster", () => {
  const lora = { name: "LoRA", history: [at(100, 0.62, 0.8)], result };
  const full = {
    name: "full",
    history: [at(100, 0.32, 0.9)],
    result: { ...result, trainSamplesPerSecond: 30 },
  };
  assert.equal(
    compareTrainings(lora, full),
    "LoRA ends at a validation loss of 0.6200, full at 0.3200: it has not caught up, by 0.3000. " +
      "It trained 1.33 times as fast as full.",
  );
  assert.equal(
    compareTrainings(full, lora),
    "full ends at a validation loss of 0.3200, LoRA at 0.6200: it has caught up. " +
      "It trained 0.75 times as fast as LoRA.",
  );
  assert.match(compareTrainings({ ...lora, history: [] }, full), /were not both evaluated/);
});

Deno.test("asRows() shows values as text, and leaves out what is empty or no setting", () => {
  const rows = asRows({
    ...{ r: 8, name: "a", list: [1, 2], none: undefined, nothing: null, patience: Infinity },
    ...{ off: false, f: () => 1, big: new Array(999).fill(1), folder: "", listeners: [] },
  });
  assert.deepEqual(
    rows.map(({ name, value }) => `${name} ${value}`),
    ["r 8", "name a", "list [1,2]", "none –", "nothing –", "patience Infinity", "off false"],
  );
});

const metrics: RunMetrics = {
  profile: "quick",
  device: "CPU 0: some CPU (2 threads, 24 GB), TensorFlow 2.21.0",
  date: "2001-02-03",
  settings: defaultSettings("quick"),
  model: "sentence-transformers/all-MiniLM-L6-v2",
  testRows: 3800,
  accuracy: { base: 0.25, lora4bit: 0.89, lora: 0.895, full: 0.9 },
  loss: {},
  intervals: { base: [0.24, 0.26], lora: [0.88, 0.91] },
  trainableParameters: { lora: 1000, full: 200_000 },
  train: {
    lora: { ...result, trainRuntime: 100, trainSamplesPerSecond: 80 },
    full: { ...result, trainRuntime: 160, trainSamplesPerSecond: 50 },
  },
};

Deno.test("besideOriginal() sets each figure beside the original's, and says what differs", () => {
  const { rows, why } = besideOriginal(metrics, { lora: [at(100, 0.6, 0.8), at(6000, 0.2, 0.9)] });
  const lines = rows.map(({ figure, ours, original }) => `${figure}: ${ours} | ${original}`);
  assert.deepEqual(lines, [
    "Test accuracy, untouched: 0.2500 | 0.2503",
    "Test accuracy, LoRA: 0.8950 | 0.9155",
    "Test accuracy, full fine-tuning: 0.9000 | 0.9453",
    "Validation loss, LoRA: 0.6000 at step 100 | 0.2872 at step 5,000",
    "Validation loss, full fine-tuning: – | 0.1983 at step 5,000",
    "Training time, LoRA: 100 s | 1,555 s",
    "Training time, full fine-tuning: 160 s | 1,976 s",
    "Samples per second, LoRA: 80.00 | 77.15",
    "Samples per second, full fine-tuning: 50.00 | 60.72",
    "LoRA's samples per second by those of full fine-tuning: 1.60 | 1.27",
    "Trained weights, LoRA: 1,000 | 888,580",
    "All weights: 201,000 | 125,537,288",
    "Share that is trained: 0.4975 % | 0.7078 %",
  ]);
  assert.equal(
    why,
    "The run differs from the original in the base model (sentence-transformers/all-MiniLM-L6-v2, not " +
      "FacebookAI/roberta-base), the number of training rows (8,000, not 120,000), the number of " +
      "evaluation rows (800, not 3,800), LoRA's learning rate (0.001, not 0.00002), that of full " +
      "fine-tuning (0.00005, not 0.00002), and the order of rows (group_by_length, not random). Times " +
      "and speeds depend on the machine as well: CPU 0: some CPU (2 threads, 24 GB), TensorFlow 2.21.0 here, an NVIDIA A100 there.",
  );
  const lacking = besideOriginal({ ...metrics, accuracy: {}, train: {}, trainableParameters: {} });
  assert.ok(lacking.rows.every(({ ours }) => ours === "–"));
});

Deno.test("conclusions() says what a run's figures say to each of the original's", () => {
  assert.equal(
    conclusions(metrics),
    `1. An untrained head guesses: 25.03 % there, 25.00 % here.
2. LoRA comes close with a fraction of the weights: 2.98 points below full fine-tuning there; here it is 0.50 points below, and trains 0.50 % of the weights.
   It is clearly better than the untouched model.
3. It trains faster: 1.27 times as many samples a second there, 1.60 times here.
4. Four bits cost accuracy there (90 % against 93 %). Here LoRA on four bits is 0.50 points below LoRA.`,
  );
  const other = { ...metrics, accuracy: { base: 0.885, lora4bit: 0.9, lora: 0.895, full: 0.89 } };
  assert.match(conclusions(other), /here it is 0\.50 points above/);
  assert.match(conclusions(other), /It is not clearly better/);
  assert.match(conclusions(other), /on four bits is 0\.50 points above LoRA\.$/);
  const slower = { ...metrics.train, lora: { ...result, trainSamplesPerSecond: 45 } };
  assert.match(
    conclusions({ ...metrics, train: slower }),
    /0\.90 times here, where it is slower\./,
  );
  assert.equal(conclusions({ ...metrics, accuracy: {} }), "Not every method was measured.");
});
