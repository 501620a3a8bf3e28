import type { HistoryRecord } from "lightweight-finetuning";
import { type ByMethod, METHODS, type RunMetrics, type Training } from "./metrics.ts";
import { ORIGINAL } from "./original.ts";
import { nameOfData, type Profile, profile } from "./profiles.ts";

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
 * @param history The trainer's history, from step 0 if it has `evalOnStart`.
 * @param result What the trainer returned.
 *
 * @example
 * ```ts
 * import { whatWeSaw } from "course";
 * const start = { step: 0, epoch: 0, learningRate: 0, gradNorm: 0, evalLoss: 1.4, accuracy: 0.25 };
 * const end = { ...start, step: 20, epoch: 1, gradNorm: 1, loss: 0.4, evalLoss: 0.5, accuracy: 0.8 };
 * const figures = { trainRuntime: 10, trainSamplesPerSecond: 40, trainStepsPerSecond: 2 };
 * const result = { ...figures, totalFlos: 1, trainLoss: 0.6, epoch: 1, step: 20, stopped: false };
 * console.log(whatWeSaw("LoRA", [start, end], result));
 * ```
 */
export function whatWeSaw(
  name: string,
  history: HistoryRecord[],
  result: Training,
): string {
  const evaluations = evaluated(history);
  const [first, last] = [evaluations[0], evaluations.at(-1)];
  if (!first || !last) return `${name}: nothing was evaluated in ${result.step} steps.`;
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
    `The validation loss went from ${first.evalLoss.toFixed(4)} to ${
      last.evalLoss.toFixed(4)
    }; ${course}.`,
    ...gap,
    `The accuracy went from ${percent(first.accuracy)} to ${percent(last.accuracy)}.`,
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
 * A run's figures beside those of the original experiment, and in what they differ.
 *
 * @param metrics What the run measured.
 * @param histories How its trainings went. @default {not known}
 * @returns Rows of a table, and sentences.
 */
export function besideOriginal(
  metrics: RunMetrics,
  histories: ByMethod<HistoryRecord[]> = {},
): { rows: { figure: string; ours: string; original: string }[]; why: string } {
  const { accuracy, train, trainableParameters: { lora, full } } = metrics;
  const both = ["lora", "full"] as const;
  const known = <T>(value: T | undefined, show: (value: T) => string) =>
    value === undefined ? "–" : show(value);
  const fixed = (value: number | undefined, decimals: number) =>
    known(value, (value) => value.toFixed(decimals));
  const whole = (value: number | undefined, unit = "") =>
    known(value, (value) => `${Math.round(value).toLocaleString("en")}${unit}`);
  const at = (loss: { step: number; evalLoss: number } | undefined) =>
    known(loss, ({ step, evalLoss }) => `${evalLoss.toFixed(4)} at step ${whole(step)}`);
  // As peft counts them, all weights include the adapter and its copy of the head.
  const all = lora && full ? full + lora : undefined;
  const { step } = ORIGINAL;
  const lines: [figure: string, ours: string, original: string][] = [
    ...(["base", ...both] as const).map((method): [string, string, string] => [
      `Test accuracy, ${METHODS[method].name}`,
      fixed(accuracy[method], 4),
      fixed(ORIGINAL.accuracy[method], 4),
    ]),
    ...both.map((method): [string, string, string] => [
      `Validation loss, ${METHODS[method].name}`,
      at(evaluated(histories[method] ?? []).findLast((record) => record.step <= step)),
      at({ step, evalLoss: ORIGINAL.evalLoss[method]! }),
    ]),
    ...both.map((method): [string, string, string] => [
      `Training time, ${METHODS[method].name}`,
      whole(train[method]?.trainRuntime, " s"),
      whole(ORIGINAL.trainRuntime[method], " s"),
    ]),
    ...both.map((method): [string, string, string] => [
      `Samples per second, ${METHODS[method].name}`,
      fixed(train[method]?.trainSamplesPerSecond, 2),
      fixed(ORIGINAL.trainSamplesPerSecond[method], 2),
    ]),
    [
      "LoRA's samples per second by those of full fine-tuning",
      fixed(speedup(train), 2),
      fixed(speedup(THEIRS), 2),
    ],
    ["Trained weights, LoRA", whole(lora), whole(ORIGINAL.trainableParameters.lora)],
    ["All weights", whole(all), whole(ORIGINAL.allParameters)],
    [
      "Share that is trained",
      known(all && lora! / all, (share) => `${(100 * share).toFixed(4)} %`),
      `${(100 * ORIGINAL.trainableParameters.lora! / ORIGINAL.allParameters).toFixed(4)} %`,
    ],
  ];
  const rows = lines.map(([figure, ours, original]) => ({ figure, ours, original }));
  return { rows, why: whyDifferent(metrics) };
}

function whyDifferent({ device, train, settings, testRows }: RunMetrics): string {
  if (!settings) return "The run's settings were not recorded.";
  const { modelName, full, adapter, lora } = profile("seed");
  const { rows, dataset } = profile(settings.profile);
  const result = train.lora ?? train.full;
  const trainRows = result &&
    Math.round(result.trainSamplesPerSecond * result.trainRuntime / result.epoch);
  const { data } = settings;
  const evaluationRows = settings.evaluationRows ??
    (data === nameOfData(dataset) ? rows.evaluationRows : undefined);
  const pairs: [name: string, here: unknown, there: unknown][] = [
    ["the base model", settings.model, modelName],
    ["the data", typeof data === "string" ? data : data.train, ORIGINAL.data],
    ["the number of training rows", trainRows ?? ORIGINAL.trainRows, ORIGINAL.trainRows],
    [
      "the number of evaluation rows",
      evaluationRows ?? ORIGINAL.evaluationRows,
      ORIGINAL.evaluationRows,
    ],
    ["the number of test rows", testRows, ORIGINAL.testRows],
    ["the epochs", settings.numTrainEpochs, adapter.numTrainEpochs],
    ["the rows of a step", settings.perDeviceTrainBatchSize, adapter.perDeviceTrainBatchSize],
    ["LoRA's learning rate", settings.learningRate, adapter.learningRate],
    ["that of full fine-tuning", settings.fullLearningRate, full.learningRate],
    ["the adapter's rank", settings.r, lora.r],
    ["its alpha", settings.loraAlpha, lora.loraAlpha],
    ["its dropout", settings.loraDropout, lora.loraDropout],
    [
      "its layers",
      layers(settings.targetModules ?? lora.targetModules),
      layers(lora.targetModules),
    ],
    ["the weights of classes", settings.classWeights ?? "none", "none"],
    ["the order of rows", order(profile(settings.profile)), order(profile("seed"))],
    ["the seed", settings.seed, profile("seed").seed],
  ];
  const text = (value: unknown) =>
    typeof value === "number" && value >= 1000 ? value.toLocaleString("en") : String(value);
  const different = pairs.filter(([, here, there]) => here !== there)
    .map(([name, here, there]) => `${name} (${text(here)}, not ${text(there)})`);
  const cause = different.length > 0
    ? `The run differs from the original in ${listed(different)}.`
    : "The run's settings are the original's.";
  return `${cause} Times and speeds depend on the machine as well: ${device} here, ` +
    `${ORIGINAL.machine} there.`;
}

const layers = (names: string | string[] | undefined) => [names].flat().join(" and ");
const order = ({ full }: Profile) => full.trainSamplingStrategy ?? "random";

const listed = (texts: string[]) =>
  new Intl.ListFormat("en", { style: "long", type: "conjunction" }).format(texts);

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
    `3. It trains faster: ${speedup(THEIRS)!.toFixed(2)} times as many samples a second there, ` +
    `${speed.toFixed(2)} times here${speed < 1 ? ", where it is slower" : ""}.`,
    `4. Four bits cost accuracy there (90 % against 93 %). Here LoRA on four bits is ${
      points(Math.abs(lora! - lora4bit!))
    } ${lora4bit! <= lora! ? "below" : "above"} LoRA.`,
  ].join("\n");
}

const THEIRS = {
  lora: { trainSamplesPerSecond: ORIGINAL.trainSamplesPerSecond.lora! },
  full: { trainSamplesPerSecond: ORIGINAL.trainSamplesPerSecond.full! },
};

const speedup = ({ lora, full }: ByMethod<Pick<Training, "trainSamplesPerSecond">>) =>
  lora && full && lora.trainSamplesPerSecond / full.trainSamplesPerSecond;
