import { checkOptions, type DatasetSource } from "lightweight-finetuning";
import { escapeMarkdown, markdownCode, toYaml } from "lightweight-finetuning/display";
import { type Method, METHOD_KEYS, METHODS, type RunMetrics } from "./metrics.ts";

/** Options of {@link modelCard}. */
export interface ModelCardOptions {
  /** The model's repository, `organisation/name`. */
  repo: string;
  /** The method that trained it. */
  method: Method;
  /** `peft` for an adapter, `transformers` for a whole model, a merged one included. */
  libraryName: "peft" | "transformers";
  /** Class names, by number. */
  labels: string[];
  /** What it was trained on. */
  dataset: DatasetSource;
  /** Training options to list, by name. */
  settings: Record<string, unknown>;
  /** What the run measured. */
  metrics: RunMetrics;
  /** The licence's identifier on the Hub. @default {none} */
  license?: string;
}

const OPTIONS: Record<keyof ModelCardOptions, true> = {
  repo: true,
  method: true,
  libraryName: true,
  labels: true,
  dataset: true,
  settings: true,
  metrics: true,
  license: true,
};

/**
 * Writes the README.md of a model on the Hub: what was measured, as text and as the Hub's metadata.
 *
 * @param options What to say about the model.
 * @returns Markdown under a YAML header.
 * @throws {TypeError} When the metrics lack the method, or an option is unknown.
 * @see https://github.com/huggingface/hub-docs/blob/main/modelcard.md
 *
 * @example
 * ```ts ignore
 * import { modelCard, profile, readMetrics } from "course";
 * const run = profile("quick");
 * const card = modelCard({
 *   repo: "me/news",
 *   method: "full",
 *   libraryName: "transformers",
 *   labels: ["World", "Sports", "Business", "Sci/Tech"],
 *   dataset: run.dataset,
 *   settings: { ...run.full, seed: run.seed },
 *   metrics: await readMetrics(`${run.folder}/metrics.json`),
 * });
 * ```
 */
export function modelCard(options: ModelCardOptions): string {
  checkOptions("write a model card", options, OPTIONS);
  const { repo, method, libraryName, labels, dataset, settings, metrics, license } = options;
  const train = metrics.train?.[method];
  const accuracy = metrics.accuracy?.[method];
  if (!train || accuracy === undefined || !metrics.intervals?.[method]) {
    throw new TypeError(
      `Cannot write a model card as 'metrics' must hold accuracy, interval and training of '${method}':` +
        ` current value is ${JSON.stringify(metrics).slice(0, 200)}. Run the notebook 05-evaluate`,
    );
  }
  const [source, revision] = "hub" in dataset
    ? [dataset.hub, dataset.revision]
    : [("file" in dataset ? dataset.file : dataset.train).split("/").at(-1)];
  const loss = metrics.loss[method];
  const metadata = {
    base_model: metrics.model,
    library_name: libraryName,
    pipeline_tag: "text-classification",
    ...(license && { license }),
    ...(libraryName === "peft" && { tags: ["lora"] }),
    ...("hub" in dataset && { datasets: [source] }), // the Hub accepts only its own data sets
    metrics: ["accuracy"],
    "model-index": [{
      name: repo.split("/").at(-1),
      results: [{
        task: { type: "text-classification", name: "Text Classification" },
        dataset: { type: source, name: source, split: "test", ...(revision && { revision }) },
        metrics: [
          { type: "accuracy", name: "Accuracy", value: accuracy },
          ...(loss === undefined ? [] : [{ type: "loss", name: "Loss", value: loss }]),
        ],
      }],
    }],
  };
  const yaml = Object.entries(metadata).map(([key, value]) => `${key}: ${toYaml(value)}`);
  return `---
${yaml.join("\n")}
---

# ${escapeMarkdown(repo.split("/").at(-1)!)}

${
    libraryName === "peft"
      ? `A LoRA adapter that makes ${markdownCode(metrics.model)} a classifier of texts.`
      : `A classifier of texts, made of ${markdownCode(metrics.model)} by ${METHODS[method].name}.`
  } The ${labels.length} classes are ${
    labels.map((label, i) => `${i} ${escapeMarkdown(label)}`).join(", ")
  }.

## Results

Measured on ${metrics.testRows} rows of ${markdownCode(source!)} that were not trained on, on\
 ${escapeMarkdown(metrics.device)}, ${escapeMarkdown(metrics.date)}.

| model | accuracy | 95 % interval | trained weights | training |
| --- | --- | --- | --- | --- |
${METHOD_KEYS.flatMap((key) => resultRow(key, metrics, key === method)).join("\n")}

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

/** A method's row of the table; none if it was not measured. */
function resultRow(method: Method, metrics: RunMetrics, bold: boolean): string[] {
  const accuracy = metrics.accuracy[method];
  if (accuracy === undefined) return [];
  const percent = (shares: number[]) => shares.map((x) => (100 * x).toFixed(2)).join(" – ") + " %";
  const train = metrics.train[method];
  const cells = [
    METHODS[method].name,
    percent([accuracy]),
    percent(metrics.intervals[method] ?? []),
    metrics.trainableParameters[method]?.toLocaleString("en-GB") ?? "–",
    train
      ? `${train.trainRuntime.toFixed(0)} s, ${train.trainSamplesPerSecond.toFixed(1)} samples/s`
      : "–",
  ];
  return [`| ${cells.map((cell) => bold ? `**${cell}**` : cell).join(" | ")} |`];
}

function settingRows(settings: Record<string, unknown>): string[] {
  return Object.entries(settings)
    .map(([name, value]) => [name, JSON.stringify(value)])
    .filter((entry): entry is [string, string] => entry[1] !== undefined) // JSON leaves out functions
    .map(([name, value]) =>
      `| ${escapeMarkdown(name)} | ${markdownCode(value).replaceAll("|", "\\|")} |`
    );
}
