import { fetchBaseModel, outputOf, type Run, type TrainingNumbers } from "course";
import {
  addLora,
  byLength,
  evaluate,
  type Examples,
  examples,
  loadClassifier,
  openDataset,
  type TextModel,
  Trainer,
  trainerOptions,
} from "lightweight-finetuning";
import { countIntervals } from "../lib/train/options.ts";
import { createSampler } from "../lib/train/sampler.ts";

/**
 * Seconds that full and LoRA training of a run will take here, evaluations included, judging by three steps of each;
 * the notebooks 1 and 2 must have been run.
 */
export async function estimateTraining(run: Run): Promise<{ full: number; lora: number }> {
  const tokens = await outputOf(run, "tokens", openDataset);
  const [train, evaluation] = [examples(tokens.train), examples(tokens.evaluation)];
  const folder = await fetchBaseModel(run);
  const model = await loadClassifier(folder, { labels: tokens.labels, seed: run.seed });
  const full = await estimate(model, { ...run.full, seed: run.seed }, train, evaluation);
  const adapter = addLora(model, { ...run.lora, seed: run.seed });
  const lora = await estimate(adapter, { ...run.adapter, seed: run.seed }, train, evaluation);
  model.dispose();
  return { full: full.seconds, lora: lora.seconds };
}

/** What a training will take. */
export interface Estimate {
  /** Of all steps and evaluations. */
  seconds: number;
  /** How many there are. */
  evaluations: number;
  /** Seconds of the steps up to one of them, from the first. */
  upTo(step: number): number;
}

/**
 * Estimates a training. Its time goes by the tokens, padding included, and its rows are known: two steps are
 * measured, after one to warm up, that have about as many as the mean.
 *
 * @param model What it trains; its weights change.
 * @param numbers Its options, with the seed.
 * @param trainDataset Its rows.
 * @param evalDataset Those that it evaluates on.
 */
export async function estimate(
  model: TextModel,
  numbers: TrainingNumbers & { seed?: number },
  trainDataset: Examples,
  evalDataset: Examples,
): Promise<Estimate> {
  const given = trainerOptions({ ...numbers, trainDataset, evalDataset });
  const sampler = createSampler(given);
  const { totalSteps } = sampler;
  const options = countIntervals(given, totalSteps);
  const { perDeviceTrainBatchSize: size, perDeviceEvalBatchSize: batchSize, bf16 } = options;
  const padded = Array.from(
    { length: totalSteps },
    (_, step) => paddedTokens(trainDataset, sampler.rowsAfter(step), size),
  );
  const mean = sum(padded) / totalSteps;
  const rows = sampler.rowsAfter(0).length;
  const whole = [...padded.keys()].filter((step) => sampler.rowsAfter(step).length === rows)
    .sort((a, b) => Math.abs(padded[a]! - mean) - Math.abs(padded[b]! - mean));
  const typical = [0, 1, 2].map((i) => whole[i % whole.length]!);
  const ends: number[] = [];
  const trainer = new Trainer(model, {
    ...numbers,
    ...{ numTrainEpochs: 1, maxSteps: -1, trainSamplingStrategy: "sequential" },
    ...{ evalSteps: 500, saveSteps: 500, evalOnStart: false },
    perDeviceTrainBatchSize: Math.min(size, rows),
    trainDataset: pick(trainDataset, typical.flatMap((step) => sampler.rowsAfter(step))),
    evalDataset: pick(evalDataset, [0]),
    listeners: [(event) => void (event.type === "step" && ends.push(event.seconds))],
  });
  await trainer.train();
  const measured = typical.slice(1); // the first warms up
  const aToken = (ends.at(-1)! - ends[0]!) / sum(measured.map((step) => padded[step]!));

  const order = byLength(evalDataset);
  const few = order.filter((_, i) => i % Math.ceil(order.length / 64) === 0);
  const sample = pick(evalDataset, few);
  const { samplesPerSecond } = await evaluate(model, sample, { batchSize, bf16 });
  const evaluation = few.length / samplesPerSecond *
    paddedTokens(evalDataset, order, batchSize) / paddedTokens(evalDataset, few, batchSize);
  const evaluations = Math.ceil(totalSteps / options.evalSteps) + Number(options.evalOnStart);
  return {
    seconds: aToken * sum(padded) + evaluations * evaluation,
    evaluations,
    upTo: (step) => aToken * sum(padded.slice(0, step)),
  };
}

/** Tokens of rows in this order, each batch padded to its longest. */
function paddedTokens({ inputIds }: Examples, rows: number[], size: number): number {
  let tokens = 0;
  for (let start = 0; start < rows.length; start += size) {
    const batch = rows.slice(start, start + size).map((row) => inputIds[row]!.length);
    tokens += batch.length * Math.max(...batch);
  }
  return tokens;
}

const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);

const pick = ({ inputIds, labels }: Examples, rows: number[]): Examples => ({
  inputIds: rows.map((row) => inputIds[row]!),
  labels: rows.map((row) => labels[row]!),
});
