/**
 * Our side of the comparison, as its users would write it:
 *
 *     deno run -A bench/ours.ts TASK OPTIONS
 *
 * TASK is a function below, OPTIONS a JSON object; prints one line of JSON. Runs in runs/bench.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import pl from "nodejs-polars";
import {
  addLora,
  evaluate as evaluateModel,
  examples,
  loadClassifier,
  loadTokenizer,
  openDevice,
  type TextModel,
  tokenize as tokenizeRows,
  Trainer,
} from "lightweight-finetuning";
import { port, useBf16 } from "../lib/device/port.ts";
import { operations, stepProducts } from "./operations.ts";
import { median } from "./summary.ts";

const LABELS = ["World", "Sports", "Business", "Sci/Tech"];

export interface StepOptions {
  model: string;
  way: "lora" | "full";
  warmUp: number;
  steps: number;
  bf16?: boolean;
  loadIn4bit?: boolean;
  /** File of the batch. @default {"batch.json"} */
  batch?: string;
}

export async function load(folder: string, way: string, loadIn4bit = false): Promise<TextModel> {
  const model = await loadClassifier(folder, { labels: LABELS, loadIn4bit });
  return way === "lora" ? addLora(model, { r: 8, loraAlpha: 16, loraDropout: 0.1 }) : model;
}

/** Steps on one fixed batch; `onStep` hears when each is done. */
export async function step(options: StepOptions, onStep = () => {}) {
  const { model: folder, way, warmUp, steps, batch: file = "batch.json" } = options;
  const { bf16 = false, loadIn4bit } = options;
  const batch = JSON.parse(await Deno.readTextFile(file));
  const repeat = <T>(items: T[]) => Array.from({ length: warmUp + steps }, () => items).flat();
  const times: number[] = [];
  const model = await load(folder, way, loadIn4bit);
  const trainer = new Trainer(model, {
    trainDataset: { inputIds: repeat(batch.inputIds), labels: repeat(batch.labels) },
    evalDataset: { inputIds: batch.inputIds.slice(0, 1), labels: batch.labels.slice(0, 1) },
    numTrainEpochs: 1,
    perDeviceTrainBatchSize: batch.labels.length,
    trainSamplingStrategy: "sequential",
    bf16,
    listeners: [(event) => {
      if (event.type !== "step") return;
      times.push(event.seconds);
      onStep();
    }],
  });
  await trainer.train();
  const seconds = median(times.map((time, i) => time - (times[i - 1] ?? 0)).slice(warmUp));
  const [size, length] = [batch.labels.length, batch.inputIds[0].length];
  const count = operations(stepProducts(model.config, { way, size, length }));
  return { rate: size / seconds, gflops: count / seconds / 1e9 };
}

async function tokenized(part: string, model: string, rows: number) {
  const tokenizer = await loadTokenizer(model);
  const texts = pl.readParquet(`${part}.parquet`).head(rows);
  const started = performance.now();
  const tokens = await tokenizeRows(texts, tokenizer);
  return { tokens, seconds: (performance.now() - started) / 1000 };
}

async function tokenize({ model, rows }: { model: string; rows: number }) {
  return { rate: rows / (await tokenized("train", model, rows)).seconds };
}

interface EpochOptions {
  model: string;
  rows: number;
  trainSamplingStrategy: "random" | "group_by_length";
  bf16: boolean;
}

async function epoch({ model: folder, rows, trainSamplingStrategy, bf16 }: EpochOptions) {
  const train = examples((await tokenized("train", folder, rows)).tokens);
  const model = await load(folder, "lora");
  let tokens = 0;
  const { forward } = model;
  model.forward = (batch, random) => {
    if (random) tokens += batch.inputIds.length;
    return forward(batch, random);
  };
  const trainer = new Trainer(model, {
    trainDataset: train,
    evalDataset: { inputIds: train.inputIds.slice(0, 1), labels: [train.labels[0]!] },
    learningRate: 1e-3,
    numTrainEpochs: 1,
    perDeviceTrainBatchSize: 16,
    trainSamplingStrategy,
    bf16,
  });
  const { trainSamplesPerSecond } = await trainer.train();
  return { rate: trainSamplesPerSecond, tokens: tokens / rows };
}

interface EvaluateOptions {
  model: string;
  rows: number;
  bf16: boolean;
}

async function evaluate({ model: folder, rows, bf16 }: EvaluateOptions) {
  const test = examples((await tokenized("test", folder, rows)).tokens);
  const options = { batchSize: 32, bf16 };
  const { samplesPerSecond } = await evaluateModel(await load(folder, "full"), test, options);
  return { rate: samplesPerSecond };
}

/** The machine's rates: of large matrix products, and of memory, by copies too large for its caches. */
export async function product({ size = 2048, count = 10, bf16 = false } = {}) {
  await openDevice();
  const x = tf.randomNormal([size, size]) as tf.Tensor2D;
  const large = tf.zeros([2 ** 26]);
  const seconds = (op: () => void) =>
    median(
      Array.from({ length: 3 + count }, () => {
        const started = performance.now();
        tf.tidy(op);
        return (performance.now() - started) / 1000;
      }).slice(3),
    );
  const done = (op: () => tf.Tensor) => () => // waits for a GPU too
    void tf.slice(op().flatten(), 0, 1).dataSync();
  const inBf16 = () => { // on a CPU it is done when it returns
    using _ = useBf16();
    port().product(x, x);
  };
  return {
    gflops: 2 * size ** 3 / seconds(bf16 ? inBf16 : done(() => tf.matMul(x, x))) / 1e9,
    gigabytes: 2 * 4 * large.size / seconds(done(() => tf.neg(large))) / 1e9,
  };
}

const TASKS: Record<string, (options: never) => Promise<Record<string, number>>> = {
  step,
  tokenize,
  epoch,
  evaluate,
  product,
};

if (import.meta.main) {
  const [task = "", options = "{}"] = Deno.args;
  const measures = await TASKS[task]!(JSON.parse(options) as never);
  const status = await Deno.readTextFile("/proc/self/status");
  const peakMemory = Number(status.match(/VmHWM:\s*(\d+)/)![1]) * 1024 / 1e6;
  console.log(JSON.stringify({ ...measures, peakMemory }));
}
