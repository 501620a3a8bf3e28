/**
 * What growth.ts measures, each stage in a process of its own:
 *
 *     deno run -A bench/stages.ts STAGE OPTIONS
 *
 * STAGE is a function below, OPTIONS a JSON object; prints one line of JSON. A stage opens what the one before has
 * written, as a notebook does, and its seconds begin then; its peak of memory is the process's, to the end of its work.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs-core";
import pl from "nodejs-polars";
import { COLOURS, fetchBaseModel, profile, runFolder } from "course";
import {
  batches,
  type Dataset,
  type Examples,
  examples,
  type HistoryRecord,
  loadDataset,
  loadTokenizer,
  openDataset,
  openDevice,
  readHistory,
  saveDataset,
  showTraining,
  tokenize as tokenizeRows,
  Trainer,
  trainerOptions,
  writeHistory,
} from "lightweight-finetuning";
import { drawPng, learningRateChart, lossChart } from "lightweight-finetuning/display";
import { stratify } from "../lib/dataset/split.ts";
import { createRandom } from "../lib/device/random.ts";
import { readJson, writeFile } from "../lib/files.ts";
import { createSnapshot } from "../lib/train/checkpoint.ts";
import { createCheckpoints } from "../lib/train/checkpoints.ts";
import { hashOfRows } from "../lib/train/fingerprint.ts";
import { adamW } from "../lib/train/optimizer.ts";
import type { SamplingStrategy } from "../lib/train/order.ts";
import { createSampler } from "../lib/train/sampler.ts";
import { newState } from "../lib/train/state.ts";
import { estimate } from "../notebooks/estimate.ts";
import { load as loadModel, step } from "./ours.ts";
import { FOLDER, writeBatch } from "./prepare.ts";

/** What a stage took. */
export interface Measure {
  seconds: number;
  /** Bytes. */
  peakMemory: number;
}

const BATCH = 16;
const LABELS = ["World", "Sports", "Business", "Sci/Tech"];

/** The folder of the data set with so many rows, and of what the stages make of it. */
export const folderOf = (rows: number): string => `${runFolder("growth-rows")}/${rows}`;

/**
 * Writes rows.csv: 30 to 60 words a text, in quotes, out of those that MiniLM's vocabulary has whole, frequent ones more
 * often.
 */
export async function writeRows(rows: number) {
  const { model } = await readJson(`${await fetchBaseModel(profile("sample"))}/tokenizer.json`);
  const words = Object.keys((model as { vocab: object }).vocab).filter((word) =>
    /^[a-z]{2,}$/.test(word)
  );
  const random = createRandom(42);
  await writeFile(`${folderOf(rows)}/rows.csv`, async (write) => {
    let lines = ["text,label\n"];
    for (let start = 0; start < rows; start += 1000) {
      const [sizes, classes, drawn] = [1000, 1000, 60_000].map((count) => random.uniform(count));
      for (let row = 0; row < Math.min(1000, rows - start); row++) {
        const draws = drawn!.subarray(60 * row, 60 * row + 30 + Math.floor(31 * sizes![row]!));
        const text = Array.from(draws, (x) => words[Math.floor(words.length * x ** 3)]).join(" ");
        lines.push(`"${text}",${LABELS[Math.floor(LABELS.length * classes![row]!)]}\n`);
      }
      await write(new TextEncoder().encode(lines.join("")));
      lines = [];
    }
  });
}

async function measure(work: () => unknown): Promise<Measure> {
  const started = performance.now();
  await work();
  const seconds = (performance.now() - started) / 1000;
  const status = await Deno.readTextFile("/proc/self/status");
  return { seconds, peakMemory: Number(status.match(/VmHWM:\s*(\d+)/)![1]) * 1024 };
}

const partsOf = ({ train, evaluation, test }: Dataset) => ({ train, evaluation, test });

async function rowsOf({ rows }: { rows: number }): Promise<Examples> {
  return examples((await openDataset(`${folderOf(rows)}/tokens`)).train);
}

async function load({ rows }: { rows: number }) {
  let dataset: Dataset;
  const measured = await measure(async () =>
    dataset = await loadDataset(`${folderOf(rows)}/rows.csv`)
  );
  await saveDataset(dataset!, `${folderOf(rows)}/data`);
  return measured;
}

async function split({ rows }: { rows: number }) {
  const parts = Object.values(partsOf(await openDataset(`${folderOf(rows)}/data`)));
  const labels = parts.flatMap((frame) => frame.getColumn("label").toArray() as number[]);
  return await measure(() =>
    stratify(labels, [0.8, 0.1, 0.1].map((share) => Math.round(share * rows)), 42)
  );
}

async function tokenize({ rows }: { rows: number }) {
  const dataset = await openDataset(`${folderOf(rows)}/data`);
  const tokenizer = await loadTokenizer(await fetchBaseModel(profile("sample")));
  const tokens = { ...dataset };
  const measured = await measure(async () => {
    for (const [part, frame] of Object.entries(partsOf(dataset))) {
      tokens[part as "train"] = await tokenizeRows(frame, tokenizer);
    }
  });
  await saveDataset(tokens, `${folderOf(rows)}/tokens`);
  return measured;
}

async function save({ rows }: { rows: number }) {
  const tokens = await openDataset(`${folderOf(rows)}/tokens`);
  return await measure(() => saveDataset(tokens, `${folderOf(rows)}/tokens`));
}

const open = ({ rows }: { rows: number }) => measure(() => openDataset(`${folderOf(rows)}/tokens`));

async function toExamples({ rows }: { rows: number }) {
  const { train } = await openDataset(`${folderOf(rows)}/tokens`);
  return await measure(() => examples(train));
}

async function fingerprint(options: { rows: number }) {
  const train = await rowsOf(options);
  return await measure(() => hashOfRows(train));
}

interface SampleOptions {
  rows: number;
  trainSamplingStrategy: SamplingStrategy;
}

/** The rows of each step of an epoch, and their batches. */
async function sample({ rows, trainSamplingStrategy }: SampleOptions) {
  const trainDataset = await rowsOf({ rows });
  return await measure(() => {
    const options = { trainDataset, evalDataset: trainDataset, numTrainEpochs: 1 };
    const sampler = createSampler(
      trainerOptions({ ...options, perDeviceTrainBatchSize: BATCH, trainSamplingStrategy }),
    );
    for (let step = 0; step < sampler.totalSteps; step++) {
      for (const _ of batches(trainDataset, sampler.rowsAfter(step), BATCH, 0));
    }
  });
}

/** A record a step, of which every 500th has an evaluation, as with Trainer's default. */
function recordsOf(rows: number): HistoryRecord[] {
  const steps = Math.ceil(rows / BATCH);
  const noise = createRandom(42).normal(steps);
  return Array.from({ length: steps }, (_, i) => ({
    step: i + 1,
    epoch: (i + 1) / steps,
    learningRate: 2e-5 * (1 - i / steps),
    gradNorm: 2 + noise[i]! / 5,
    loss: 0.3 + Math.exp(-i / 500) + noise[i]! / 10,
    ...(i + 1) % 500 === 0 && { evalLoss: 0.3 + Math.exp(-i / 500), accuracy: 0.9 },
  }));
}

async function history({ rows }: { rows: number }) {
  const records = recordsOf(rows);
  const listener = writeHistory(`${folderOf(rows)}/history.json`);
  return await measure(() => tell(listener, records));
}

/** What a trainer tells a listener. */
async function tell(listener: ReturnType<typeof writeHistory>, records: HistoryRecord[]) {
  const totalSteps = records.length;
  await listener({ type: "begin", totalSteps, epochs: 1 });
  for (const record of records) {
    const { step, epoch } = record;
    await listener({ type: "step", step, totalSteps, epoch, seconds: step / 4 });
    await listener({ type: "record", record });
  }
  const result = { trainRuntime: 1, trainSamplesPerSecond: 1, trainStepsPerSecond: 1 };
  const end = { ...result, totalFlos: 1, trainLoss: 1, epoch: 1, step: totalSteps, stopped: false };
  await listener({ type: "end", result: end });
}

/** What a notebook shows of a run. */
async function progress({ rows }: { rows: number }) {
  const records = recordsOf(rows);
  const broadcast = (_: string, content: unknown) => Promise.resolve(JSON.stringify(content));
  Object.assign(Deno, { jupyter: { broadcast } });
  return await measure(() => tell(showTraining(), records));
}

/** LoRA's checkpoints, ten of a run with a record a step, as of one's own data. */
async function checkpoint({ rows }: { rows: number }) {
  const records = recordsOf(rows);
  const model = await loadModel(await fetchBaseModel(profile("sample")), "lora");
  const few = { inputIds: [[1, 2]], labels: [0] };
  const outputDir = `${folderOf(rows)}/checkpoints`;
  await Deno.remove(outputDir, { recursive: true }).catch(() => {});
  const trained = new Map([...model.parameters].filter(([, variable]) => variable.trainable));
  const state = newState();
  const optimizer = adamW(trained, { weightDecay: 0 });
  for (const [name, variable] of trained) {
    const zeros = () => tf.variable(tf.zerosLike(variable), false);
    optimizer.moments.set(name, { mean: zeros(), square: zeros() });
  }
  const run = {
    state,
    random: createRandom(42),
    trained,
    optimizer,
    best: createSnapshot(trained),
  };
  const options = trainerOptions({
    trainDataset: few,
    evalDataset: few,
    outputDir,
    saveSteps: Math.ceil(records.length / 10),
  });
  const checkpoints = createCheckpoints(model, options, run);
  await checkpoints.fingerprint();
  await checkpoints.prepare();
  const measured = await measure(async () => {
    for (const record of records) {
      state.history.push(record);
      state.step++;
      await checkpoints.saveWhenDue();
    }
    await checkpoints.save();
  });
  checkpoints.release();
  return measured;
}

/** What notebooks make of a history. */
async function report({ rows }: { rows: number }) {
  return await measure(async () => {
    const LoRA = await readHistory(`${folderOf(rows)}/history.json`);
    for (const chart of [lossChart({ LoRA }, COLOURS), learningRateChart({ LoRA }, COLOURS)]) {
      await drawPng(chart);
    }
  });
}

interface StepsOptions {
  way: "lora" | "full";
  size: number;
  length: number;
  warmUp: number;
  steps: number;
}

/** A training step of MiniLM. */
async function steps({ size, length, ...options }: StepsOptions) {
  const model = await fetchBaseModel(profile("sample"));
  const batch = `growth-${size}x${length}.json`;
  await Deno.mkdir(FOLDER, { recursive: true });
  await writeBatch(batch, size, length);
  let measures = { rate: 0, gflops: 0 };
  const { peakMemory } = await measure(async () =>
    measures = await step({ ...options, model, batch: `${FOLDER}/${batch}` })
  );
  const seconds = size / measures.rate;
  return { seconds, peakMemory, work: measures.gflops * seconds };
}

/**
 * The first steps of RoBERTa-base on AG News with the settings of the profile `seed`, without the first of all, and what
 * notebooks/estimate.ts says of them.
 */
async function estimated({ way, steps }: { way: "lora" | "full"; steps: number }) {
  const tokenizer = await loadTokenizer(`${FOLDER}/roberta`);
  const rowsOf = async (part: string) =>
    examples(await tokenizeRows(pl.readParquet(`${FOLDER}/${part}.parquet`), tokenizer));
  const [trainDataset, evalDataset] = [await rowsOf("train"), await rowsOf("test")];
  const { seed, full, adapter } = profile("seed");
  const numbers = { ...way === "lora" ? adapter : full, seed };
  const model = await loadModel(`${FOLDER}/roberta`, way);
  const { upTo } = await estimate(model, numbers, trainDataset, evalDataset);
  const ends: number[] = [];
  const trainer = new Trainer(model, {
    ...{ ...numbers, trainDataset, evalOnStart: false, maxSteps: steps },
    evalDataset: { inputIds: evalDataset.inputIds.slice(0, 1), labels: [0] },
    listeners: [(event) => void (event.type === "step" && ends.push(event.seconds))],
  });
  const { peakMemory } = await measure(() => trainer.train());
  return { seconds: ends.at(-1)! - ends[0]!, estimate: upTo(steps) - upTo(1), peakMemory };
}

const STAGES: Record<string, (options: never) => Promise<Measure>> = {
  ...{ load, split, tokenize, save, open, toExamples, fingerprint, sample, history, progress },
  ...{ checkpoint, report, steps, estimated },
};

if (import.meta.main) {
  const [stage = "", options = "{}"] = Deno.args;
  if (stage === "checkpoint") await openDevice();
  console.log(JSON.stringify(await STAGES[stage]!(JSON.parse(options) as never)));
}
