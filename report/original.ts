import { METHODS, profile, type RunMetrics, type Settings } from "course";
import type { HistoryRecord } from "lightweight-finetuning";
import { escapeHtml, gridHtml } from "lightweight-finetuning/display";
import type { Histories } from "./index.ts";

/** What the original experiment measured, with the settings of the profile `seed`. */
const ORIGINAL = {
  machine: "an NVIDIA A100",
  trainRows: 120_000,
  allParameters: 125_537_288,
  base: { accuracy: 0.2503 },
  lora: {
    accuracy: 0.9155,
    evalLoss: 0.2872,
    seconds: 1555,
    samplesPerSecond: 77.15,
    trained: 888_580,
  },
  full: { accuracy: 0.9453, evalLoss: 0.1983, seconds: 1976, samplesPerSecond: 60.72 },
};

/** The step at which the original's validation losses were measured. */
const STEP = 5000;

/**
 * The run's figures beside the original experiment's, and why they differ.
 *
 * @returns A part of the page; empty for a run on other data, which has nothing to compare.
 */
export function besideOriginal(metrics: RunMetrics, histories: Histories): string {
  if (metrics.settings?.data !== "fancyzhx/ag_news") return "";
  return `<h2>This run beside the original</h2>
<p>${escapeHtml(whyDifferent(metrics, metrics.settings))}</p>
<div class="wide">${
    gridHtml({
      columns: ["Figure", "This run", "Original"],
      cells: rows(metrics, histories),
      right: new Set([1, 2]),
    })
  }</div>`;
}

function rows(metrics: RunMetrics, histories: Histories): string[][] {
  const { accuracy, train, trainableParameters: { lora: trained, full } } = metrics;
  const digits = (value: number | undefined, decimals: number) => value?.toFixed(decimals) ?? "–";
  const seconds = (value: number | undefined) =>
    value === undefined ? "–" : `${Math.round(value).toLocaleString("en")} s`;
  const count = (value: number | undefined) => value?.toLocaleString("en") ?? "–";
  // As peft counts them, all weights include the adapter and its copy of the head.
  const all = trained && full ? full + trained : undefined;
  const trainedBoth = ["lora", "full"] as const;
  return [
    ...(["base", ...trainedBoth] as const).map((method) => [
      `Test accuracy, ${METHODS[method].name}`,
      digits(accuracy[method], 4),
      digits(ORIGINAL[method].accuracy, 4),
    ]),
    ...trainedBoth.map((method) => [
      `Validation loss, ${METHODS[method].name}`,
      validationLoss(histories[method] ?? []),
      `${digits(ORIGINAL[method].evalLoss, 4)} at step ${STEP.toLocaleString("en")}`,
    ]),
    ...trainedBoth.map((method) => [
      `Training time, ${METHODS[method].name}`,
      seconds(train[method]?.trainRuntime),
      seconds(ORIGINAL[method].seconds),
    ]),
    ...trainedBoth.map((method) => [
      `Samples per second, ${METHODS[method].name}`,
      digits(train[method]?.trainSamplesPerSecond, 2),
      digits(ORIGINAL[method].samplesPerSecond, 2),
    ]),
    ["Trained weights, LoRA", count(trained), count(ORIGINAL.lora.trained)],
    ["All weights", count(all), count(ORIGINAL.allParameters)],
    [
      "Share that is trained",
      all ? percent(trained! / all) : "–",
      percent(ORIGINAL.lora.trained / ORIGINAL.allParameters),
    ],
  ];
}

const percent = (share: number) => `${(100 * share).toFixed(4)}\u00a0%`;

/** The loss at the original's step, or the last one before it. */
function validationLoss(history: HistoryRecord[]): string {
  const measured = history.filter(({ step, evalLoss }) => step <= STEP && evalLoss !== undefined);
  const last = measured.at(-1);
  return last ? `${last.evalLoss!.toFixed(4)} at step ${last.step.toLocaleString("en")}` : "–";
}

function whyDifferent({ device, train }: RunMetrics, settings: Settings): string {
  const { modelName, full, adapter, lora } = profile("seed");
  const result = train.lora ?? train.full;
  const trainRows = result &&
    Math.round(result.trainSamplesPerSecond * result.trainRuntime / result.epoch);
  const pairs: [name: string, here: unknown, there: unknown][] = [
    ["the base model", settings.model, modelName],
    ["the number of training rows", trainRows ?? ORIGINAL.trainRows, ORIGINAL.trainRows],
    ["the epochs", settings.numTrainEpochs, adapter.numTrainEpochs],
    ["the rows of a step", settings.perDeviceTrainBatchSize, adapter.perDeviceTrainBatchSize],
    ["LoRA's learning rate", settings.learningRate, adapter.learningRate],
    ["that of full fine-tuning", settings.fullLearningRate, full.learningRate],
    ["the adapter's rank", settings.r, lora.r],
    ["its alpha", settings.loraAlpha, lora.loraAlpha],
    ["its dropout", settings.loraDropout, lora.loraDropout],
  ];
  const text = (value: unknown) =>
    typeof value === "number" && value >= 1000 ? value.toLocaleString("en") : String(value);
  const different = pairs.filter(([, here, there]) => here !== there)
    .map(([name, here, there]) => `${name} (${text(here)}, not ${text(there)})`);
  const cause = different.length > 0
    ? `It differs from the original in ${listed(different)}.`
    : "Its settings are the original's.";
  return `${cause} Times and speeds depend on the machine as well: ${device} here, ` +
    `${ORIGINAL.machine} there.`;
}

const listed = (texts: string[]) =>
  new Intl.ListFormat("en", { style: "long", type: "conjunction" }).format(texts);
