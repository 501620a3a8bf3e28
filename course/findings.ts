import type { Evaluation, HistoryRecord } from "lightweight-finetuning";
import type { ByMethod, RunMetrics, Training } from "./metrics.ts";
import { ORIGINAL } from "./original.ts";

type Measured = Pick<Evaluation, "accuracy" | "loss">;

/**
 * An object's fields as the rows of a table; what is empty, data sets and functions are left out.
 *
 * @param object Settings, options or the like.
 */
export function asRows(object: object): { name: string; value: string }[] {
  const text = (value: unknown) =>
    value === undefined || value === null
      ? "–"
      : typeof value === "object"
      ? JSON.stringify(value)
      : String(value); // JSON has no Infinity
  return Object.entries(object)
    .filter(([, value]) => typeof value !== "function")
    .map(([name, value]) => ({ name, value: text(value) }))
    .filter(({ value }) =>
      value.length > 0 && value.length <= 200 && value !== "[]" && value !== "{}"
    );
}

/** The records of evaluations. */
const evaluated = (history: HistoryRecord[]) =>
  history.flatMap(({ step, evalLoss, accuracy }) =>
    evalLoss === undefined ? [] : [{ step, evalLoss, accuracy: accuracy ?? NaN }]
  );

/**
 * What a training's history and result say, in sentences.
 *
 * @param name What was trained.
 * @param before The model on the evaluation rows, before the first step.
 * @param history The trainer's history.
 * @param result What the trainer returned.
 *
 * @example
 * ```ts
 * import { whatWeSaw } from "course";
 * const at = { epoch: 1, learningRate: 0, gradNorm: 1, loss: 0.4, evalLoss: 0.5, accuracy: 0.8 };
 * const figures = { trainRuntime: 10, trainSamplesPerSecond: 40, trainStepsPerSecond: 2 };
 * const result = { ...figures, totalFlos: 1, trainLoss: 0.6, epoch: 1, step: 20, stopped: false };
 * console.log(whatWeSaw("LoRA", { loss: 1.4, accuracy: 0.25 }, [{ step: 20, ...at }], result));
 * ```
 */
export function whatWeSaw(
  name: string,
  before: Measured,
  history: HistoryRecord[],
  result: Training,
): string {
  const evaluations = evaluated(history);
  const last = evaluations.at(-1);
  if (!last) return `${name}: nothing was evaluated in ${result.step} steps.`;
  const lowest = evaluations.reduce((a, b) => b.evalLoss < a.evalLoss ? b : a);
  const course = lowest.step === last.step
    ? "it was lowest at the end"
    : `it was lowest at step ${lowest.step}, with ${lowest.evalLoss.toFixed(4)}`;
  const training = history.findLast(({ loss }) => loss !== undefined);
  const gap = training?.loss === undefined || training.step !== last.step ? [] : [
    `The last training loss, ${training.loss.toFixed(4)}, is ${
      training.loss > last.evalLoss ? "above" : "below"
    } the validation loss.`,
  ];
  const memory = result.peakMemory === undefined
    ? ""
    : `, with at most ${(result.peakMemory / 1e9).toFixed(2)} GB of memory in the process`;
  return [
    `${name}, ${result.step} steps${result.stopped ? ", then stopped" : ""}:`,
    `The validation loss went from ${before.loss.toFixed(4)} to ${
      last.evalLoss.toFixed(4)
    }; ${course}.`,
    ...gap,
    `The accuracy went from ${percent(before.accuracy)} to ${percent(last.accuracy)}.`,
    `It took ${result.trainRuntime.toFixed(0)} s, ${
      result.trainSamplesPerSecond.toFixed(1)
    } samples a second${memory}.`,
  ].join("\n");
}

/**
 * How one training ended beside another, in a sentence.
 *
 * @param first Its name, history and result.
 * @param second The same of the other.
 */
export function compareTrainings(
  first: { name: string; history: HistoryRecord[]; result: Training },
  second: { name: string; history: HistoryRecord[]; result: Training },
): string {
  const [a, b] = [first, second].map(({ history }) => evaluated(history).at(-1));
  if (!a || !b) return `${first.name} and ${second.name} were not both evaluated.`;
  const caughtUp = a.evalLoss <= b.evalLoss
    ? "it has caught up"
    : `it has not caught up, by ${(a.evalLoss - b.evalLoss).toFixed(4)}`;
  const speed = first.result.trainSamplesPerSecond / second.result.trainSamplesPerSecond;
  return `${first.name} ends at a validation loss of ${a.evalLoss.toFixed(4)}, ${second.name} at ${
    b.evalLoss.toFixed(4)
  }: ${caughtUp}. It trained ${speed.toFixed(2)} times as fast as ${second.name}.`;
}

const percent = (share: number) => `${(100 * share).toFixed(2)} %`;

/**
 * A run's figures beside those of the original experiment, and why they differ.
 *
 * @param metrics What the run measured.
 * @returns Rows of a table, and sentences.
 */
export function besideOriginal(
  metrics: RunMetrics,
): { rows: { figure: string; ours: string; original: string }[]; why: string } {
  const { accuracy, train, trainableParameters: weights } = metrics;
  const whole = (value: number) => Math.round(value).toLocaleString("en");
  const line = (figure: string, value: (of: Figures) => number | undefined, show = whole) => {
    const [ours, original] = [{ accuracy, train, weights }, THEIRS].map(value);
    const shown = (x: number | undefined) => x === undefined ? "–" : show(x);
    return { figure, ours: shown(ours), original: shown(original) };
  };
  const rows = [
    line("accuracy, untouched", (of) => of.accuracy.base, percent),
    line("accuracy, LoRA", (of) => of.accuracy.lora, percent),
    line("accuracy, full fine-tuning", (of) => of.accuracy.full, percent),
    line("trained weights, LoRA", (of) => of.weights.lora),
    line("trained weights, full", (of) => of.weights.full),
    line("seconds, LoRA", (of) => of.train.lora?.trainRuntime),
    line("seconds, full", (of) => of.train.full?.trainRuntime),
    line(
      "samples a second, LoRA",
      (of) => of.train.lora?.trainSamplesPerSecond,
      (x) => x.toFixed(1),
    ),
    line(
      "samples a second, full",
      (of) => of.train.full?.trainSamplesPerSecond,
      (x) => x.toFixed(1),
    ),
    line("LoRA's speed : full's", (of) => speedup(of.train), (x) => x.toFixed(2)),
  ];
  const { settings } = metrics;
  const seen = train.full && Math.round(train.full.trainSamplesPerSecond * train.full.trainRuntime);
  const differences = [
    ...metrics.model === ORIGINAL.model ? [] : [`the model is ${metrics.model}`],
    ...!settings || settings.data === ORIGINAL.data ? [] : [
      `the data are ${typeof settings.data === "string" ? settings.data : settings.data.train}`,
    ],
    ...!seen || seen === ORIGINAL.samples
      ? []
      : [`each training saw ${whole(seen)} rows, not ${whole(ORIGINAL.samples)}`],
    `the machine is ${metrics.device.split(" (")[0]}`,
  ];
  return { rows, why: `What differs here: ${differences.join("; ")}.` };
}

/**
 * What the original concluded from its figures, and what a run's say to it.
 *
 * @param metrics What the run measured.
 */
export function conclusions(
  { accuracy, intervals, train, trainableParameters }: RunMetrics,
): string {
  const { base, lora, lora4bit, full } = accuracy;
  if ([base, lora, lora4bit, full].includes(undefined)) return "Not every method was measured.";
  const points = (share: number) => `${(100 * share).toFixed(2)} points`;
  const share = trainableParameters.lora! / trainableParameters.full!;
  const gap = full! - lora!;
  const theirGap = ORIGINAL.accuracy.full! - ORIGINAL.accuracy.lora!;
  const speed = speedup(train)!;
  const [low] = intervals.lora!;
  return [
    `1. An untrained head guesses: ${percent(ORIGINAL.accuracy.base!)} there, ${
      percent(base!)
    } here.`,
    `2. LoRA comes close with a fraction of the weights: ${
      points(theirGap)
    } below full fine-tuning there; ` +
    `here it is ${points(Math.abs(gap))} ${gap >= 0 ? "below" : "above"}, and trains ${
      percent(share)
    } of the weights.`,
    `   It is ${low > base! ? "clearly" : "not clearly"} better than the untouched model.`,
    `3. It trains faster: ${
      speedup(THEIRS.train)!.toFixed(2)
    } times as many samples a second there, ` +
    `${speed.toFixed(2)} times here.`,
    `4. Four bits cost accuracy there (90 % against 93 %). Here LoRA on four bits is ${
      points(Math.abs(lora! - lora4bit!))
    } ${lora4bit! <= lora! ? "below" : "above"} LoRA.`,
  ].join("\n");
}

type Figures = Pick<RunMetrics, "accuracy"> & {
  train: ByMethod<Pick<Training, "trainRuntime" | "trainSamplesPerSecond">>;
  weights: ByMethod<number>;
};

const theirTraining = (method: "lora" | "full") => ({
  trainRuntime: ORIGINAL.trainRuntime[method]!,
  trainSamplesPerSecond: ORIGINAL.trainSamplesPerSecond[method]!,
});
const THEIRS: Figures = {
  accuracy: ORIGINAL.accuracy,
  train: { lora: theirTraining("lora"), full: theirTraining("full") },
  weights: ORIGINAL.trainableParameters,
};

const speedup = ({ lora, full }: Figures["train"]) =>
  lora && full && lora.trainSamplesPerSecond / full.trainSamplesPerSecond;
