import { fetchBaseModel, outputOf, type Run, type TrainingNumbers } from "course";
import {
  addLora,
  evaluate,
  type Examples,
  examples,
  loadClassifier,
  openDataset,
  type TextModel,
  Trainer,
} from "lightweight-finetuning";

/**
 * Seconds that full and LoRA training of a run will take here, evaluations included, judging by three steps of each;
 * the notebooks 1 and 2 must have been run.
 */
export async function estimateTraining(run: Run): Promise<{ full: number; lora: number }> {
  const tokens = await outputOf(run, "tokens", openDataset);
  const [train, evaluation] = [examples(tokens.train), examples(tokens.evaluation)];
  const folder = await fetchBaseModel(run);
  const model = await loadClassifier(folder, { labels: tokens.labels, seed: run.seed });
  const full = await estimate(model, run.full, train, evaluation);
  const adapter = addLora(model, { ...run.lora, seed: run.seed });
  const lora = await estimate(adapter, run.adapter, train, evaluation);
  model.dispose();
  return { full, lora };
}

async function estimate(
  model: TextModel,
  numbers: TrainingNumbers,
  train: Examples,
  evaluation: Examples,
): Promise<number> {
  const sample = first(evaluation, 64);
  const { samplesPerSecond } = await evaluate(model, sample);
  const steps: number[] = [];
  // In file order, as the first steps of "group_by_length" are longer than most.
  const few = { ...numbers, maxSteps: 3, trainSamplingStrategy: "sequential" } as const;
  const trainer = new Trainer(model, {
    ...few,
    trainDataset: first(train, 4 * (numbers.perDeviceTrainBatchSize ?? 8)),
    evalDataset: first(evaluation, 1),
    listeners: [(event) => void (event.type === "step" && steps.push(event.seconds))],
  });
  await trainer.train();
  const total = Math.ceil(
    train.inputIds.length / (numbers.perDeviceTrainBatchSize ?? 8) * (numbers.numTrainEpochs ?? 3),
  );
  const every = numbers.evalSteps ?? 500;
  const evaluations = Math.ceil(every < 1 ? 1 / every : total / every);
  const step = (steps[2]! - steps[0]!) / 2; // the first warms up
  return total * step + evaluations * evaluation.inputIds.length / samplesPerSecond;
}

const first = ({ inputIds, labels }: Examples, count: number): Examples => ({
  inputIds: inputIds.slice(0, count),
  labels: Array.from(labels).slice(0, count),
});
