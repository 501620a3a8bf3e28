/** What a run wrote to metrics.json, as far as a model card tells it; `base`, `lora` and `full` are ways. */
export interface RunMetrics {
  /** The base model's name on the Hub. */
  model: string;
  /** Machine and TensorFlow. */
  device: string;
  date: string;
  testRows: number;
  /** On the test rows, 0 to 1, by way. */
  accuracy: Record<string, number>;
  /** 95 % interval of each accuracy. */
  intervals: Record<string, [number, number]>;
  /** Mean cross-entropy on the test rows. @default not shown */
  loss?: Record<string, number>;
  trainableParameters: Record<string, number>;
  /** What the trainer returned. */
  train: Record<string, TrainingFigures>;
}

interface TrainingFigures {
  /** Seconds. */
  trainRuntime: number;
  trainSamplesPerSecond: number;
  trainLoss: number;
  epoch: number;
  step: number;
  stopped: boolean;
}

/** What {@link modelCard} tells of a model. */
export interface ModelCardOptions {
  /** `organisation/name` the card is for. */
  repo: string;
  /** Which of the run's models it is: `lora` or `full`. */
  way: string;
  /** `peft` for an adapter, `transformers` for a whole model, a merged one included. */
  libraryName: "peft" | "transformers";
  /** Class names, by number. */
  labels: string[];
  dataset: { hub: string; revision?: string } | { file: string };
  /** Training numbers to list, by name. */
  settings: Record<string, unknown>;
  metrics: RunMetrics;
  /** The Hub's identifier of a licence. @default none stated */
  license?: string;
}

const WAYS: Record<string, string> = {
  base: "untouched, random head",
  lora4bit: "LoRA on 4 bits",
  lora: "LoRA",
  full: "full fine-tuning",
};

/**
 * The README.md of a model on the Hub, with what was measured, in prose and as the Hub's metadata
 * (https://github.com/huggingface/hub-docs/blob/main/modelcard.md).
 *
 * @throws TypeError when the metrics lack this way's.
 * @example
 * ```ts ignore
 * import { modelCard, profile } from "lightweight-finetuning";
 * const run = profile("quick");
 * const card = modelCard({
 *   repo: "me/news",
 *   way: "full",
 *   libraryName: "transformers",
 *   labels: ["World", "Sports", "Business", "Sci/Tech"],
 *   dataset: run.dataset,
 *   settings: { ...run.full, seed: run.seed },
 *   metrics: JSON.parse(await Deno.readTextFile(`${run.folder}/metrics.json`)),
 * });
 * ```
 */
export function modelCard(options: ModelCardOptions): string {
  const { repo, way, libraryName, labels, dataset, settings, metrics, license } = options;
  const train = metrics.train?.[way];
  if (!train || metrics.accuracy?.[way] === undefined || !metrics.intervals?.[way]) {
    throw new TypeError(
      `Cannot write a model card as 'metrics' must hold accuracy, interval and training of '${way}':` +
        ` current value is ${JSON.stringify(metrics).slice(0, 200)}; run the notebook 05-evaluate`,
    );
  }
  const [source, revision] = "hub" in dataset
    ? [dataset.hub, dataset.revision]
    : [dataset.file.split("/").at(-1)];
  const loss = metrics.loss?.[way];
  const metadata = {
    base_model: metrics.model,
    library_name: libraryName,
    pipeline_tag: "text-classification",
    ...(license && { license }),
    ...(libraryName === "peft" && { tags: ["lora"] }),
    ...("hub" in dataset && { datasets: [source] }), // the Hub refuses what is none of its own
    metrics: ["accuracy"],
    "model-index": [{
      name: repo.split("/").at(-1),
      results: [{
        task: { type: "text-classification", name: "Text Classification" },
        dataset: { type: source, name: source, split: "test", ...(revision && { revision }) },
        metrics: [
          { type: "accuracy", name: "Accuracy", value: metrics.accuracy[way] },
          ...(loss === undefined ? [] : [{ type: "loss", name: "Loss", value: loss }]),
        ],
      }],
    }],
  };
  // JSON is YAML.
  const yaml = Object.entries(metadata).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  const ways = Object.keys(metrics.accuracy);
  return `---
${yaml.join("\n")}
---

# ${repo.split("/").at(-1)}

${
    libraryName === "peft"
      ? `A LoRA adapter that makes \`${metrics.model}\` a classifier of texts.`
      : `A classifier of texts, made of \`${metrics.model}\` by ${WAYS[way] ?? way}.`
  } The ${labels.length} classes are ${labels.map((label, i) => `${i} ${label}`).join(", ")}.

## Results

Measured on ${metrics.testRows} rows of \`${source}\` that were not trained on, on ${metrics.device},\
 ${metrics.date}.

| model | accuracy | 95 % interval | trained weights | training |
| --- | --- | --- | --- | --- |
${ways.map((name) => resultRow(name, metrics, name === way)).join("\n")}

## Training

${train.step} steps, to epoch ${+train.epoch.toFixed(2)}${
    train.stopped ? ", where it was stopped" : ""
  };\
 mean training loss ${train.trainLoss.toFixed(4)}.

| setting | value |
| --- | --- |
${settingRows(settings).join("\n")}
`;
}

function resultRow(way: string, metrics: RunMetrics, bold: boolean): string {
  const percent = (shares: number[]) => shares.map((x) => (100 * x).toFixed(2)).join(" – ") + " %";
  const train = metrics.train[way];
  const cells = [
    WAYS[way] ?? way,
    percent([metrics.accuracy[way]!]),
    percent(metrics.intervals[way] ?? []),
    metrics.trainableParameters[way]?.toLocaleString("en-GB") ?? "–",
    train
      ? `${train.trainRuntime.toFixed(0)} s, ${train.trainSamplesPerSecond.toFixed(1)} samples/s`
      : "–",
  ];
  return `| ${cells.map((cell) => bold ? `**${cell}**` : cell).join(" | ")} |`;
}

function settingRows(settings: Record<string, unknown>): string[] {
  return Object.entries(settings)
    .map(([name, value]) => [name, JSON.stringify(value)?.replaceAll("|", "\\|")])
    .filter(([, value]) => value) // a function has none
    .map(([name, value]) => `| ${name} | \`${value}\` |`);
}
