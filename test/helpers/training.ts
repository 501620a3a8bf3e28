import assert from "node:assert/strict";
import {
  type EvalPrediction,
  type Examples,
  loadAdapter,
  loadClassifier,
  type TextModel,
  Trainer,
  type TrainerOptions,
} from "lightweight-finetuning";
import { assertClose } from "./close.ts";
import { PEFT, withoutGradient } from "./gradients.ts";
import { readReference, type Reference } from "./reference.ts";

/** A model of the fixtures without dropout, or with its adapter on it. */
export async function loadWay(way: "full" | "lora", folder: string) {
  const model = await loadClassifier(folder, { dropout: 0 });
  return way === "lora" ? await loadAdapter(model, `${folder}/adapter`) : model;
}

/** The stored batches as rows without padding: Trainer pads them again. */
export function examples(reference: Reference, count: number): Examples {
  const inputIds: number[][] = [];
  const labels: number[] = [];
  for (let i = 0; i < count; i++) {
    const { inputIds: ids, attentionMask, labels: classes, size, length } = reference.batch(
      `batch.${i}.`,
    );
    for (let row = 0; row < size; row++) {
      const tokens = attentionMask.subarray(row * length, (row + 1) * length).reduce((a, b) =>
        a + b
      );
      inputIds.push([...ids.subarray(row * length, row * length + tokens)]);
      labels.push(classes[row]!);
    }
  }
  return { inputIds, labels };
}

/** The first rows. */
export function first({ inputIds, labels }: Examples, count: number): Examples {
  return { inputIds: inputIds.slice(0, count), labels: Array.from(labels).slice(0, count) };
}

/** Trains on the stored batches as the reference did, and gives what Trainer recorded at each step. */
export async function trainOnBatches(
  model: TextModel,
  reference: Reference,
  steps: number,
  learningRate = 1e-3,
  options: Partial<TrainerOptions> = {},
) {
  const rows = examples(reference, steps);
  const trainer = new Trainer(model, {
    trainDataset: rows,
    evalDataset: first(rows, 8),
    learningRate,
    numTrainEpochs: 1,
    perDeviceTrainBatchSize: rows.inputIds.length / steps,
    evalSteps: steps,
    loggingSteps: 1,
    trainSamplingStrategy: "sequential",
    ...options,
  });
  await trainer.train();
  return trainer.history;
}

/** A run of Transformers' Trainer that trainer.py wrote down. */
export interface ReferenceRun {
  name: string;
  kind: string;
  way: "full" | "lora";
  options: Partial<TrainerOptions>;
  batches: number;
  step: number;
  bestStep?: number;
  bestMetric?: number;
}

/** What trainer.py wrote into a folder's expected.json. */
export interface ReferenceCases {
  defaults: Partial<TrainerOptions>;
  /** First loss of accumulation.bert.full by Trainer as it is delivered. */
  unmendedLoss: number;
  runs: ReferenceRun[];
  decay: Record<string, { decayed: string[]; notDecayed: string[] }>;
  /** The batch size of each case. */
  orders: number[];
  stopping: {
    greaterIsBetter: boolean;
    earlyStoppingThreshold: number;
    patience: number;
    lastStep: number;
    bestStep: number;
  }[];
}

export async function readCases(folder: string): Promise<ReferenceCases> {
  return JSON.parse(await Deno.readTextFile(`${folder}/expected.json`));
}

/**
 * Trains as Transformers' Trainer did and fails unless all that it recorded, and the parameters in the end, are the same.
 *
 * @returns The largest difference of a parameter, relative to the largest number of it.
 */
export async function assertTrainsAlike(run: ReferenceRun, expected: Reference): Promise<number> {
  const reference = await readReference(run.kind);
  const model = await loadWay(run.way, reference.folder);
  const rows = examples(reference, run.batches);
  const trainer = new Trainer(model, {
    trainDataset: rows,
    evalDataset: examples(reference, 2),
    trainSamplingStrategy: "sequential",
    loggingSteps: 1,
    computeMetrics: meanSpread,
    ...run.options,
  });
  const { step, bestStep, bestMetric } = await trainer.train();
  assert.equal(step, run.step);
  if (run.bestStep) {
    assert.equal(bestStep, run.bestStep);
    assertClose([bestMetric!], [run.bestMetric!], 1e-4, "bestMetric");
  }
  let largest = 0;
  const ofSteps = ["learningRate", "gradNorm"]; // Trainer has neither at step 0
  for (const [name, values] of expected.group(`${run.name}.`)) {
    const exact = name === "learningRate" || name === "epoch";
    const parameter = name.match(/^after\.(.*)/)?.[1];
    const ours = parameter
      ? model.parameters.get(parameter.replace(PEFT, ""))!.dataSync()
      : trainer.history.filter(({ step }) => step > 0 || !ofSteps.includes(name))
        .map((record) => record[name]).filter((value) => value !== undefined);
    // Adam scales up what rounding leaves of a gradient that is none.
    const tolerance = exact ? 1e-12 : parameter && withoutGradient(parameter) ? 1e-1 : 1e-4;
    const difference = assertClose(ours, values, tolerance, `${run.name}: ${name}`);
    if (parameter && !withoutGradient(parameter)) largest = Math.max(largest, difference);
  }
  return largest;
}

/** Mean distance of a row's largest logit from its smallest. */
function meanSpread({ logits, predictions }: EvalPrediction) {
  const classes = logits.length / predictions.length;
  const spreads = Array.from(predictions, (_, row) => {
    const scores = logits.subarray(row * classes, (row + 1) * classes);
    return Math.max(...scores) - Math.min(...scores);
  });
  return { spread: spreads.reduce((a, b) => a + b) / spreads.length };
}
