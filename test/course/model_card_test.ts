import assert from "node:assert/strict";
import { parse } from "yaml";
import { modelCard, type ModelCardOptions, profile, type RunMetrics } from "course";
import { HOSTILE } from "../helpers/hostile.ts";

const run = profile("quick");

/** Each number differs from all others, also when rounded. */
const METRICS: RunMetrics = {
  profile: "quick",
  model: "sentence-transformers/all-MiniLM-L6-v2",
  device: "CPU 0: a machine (2 threads)",
  date: "2001-02-03",
  testRows: 1234,
  accuracy: { base: 0.2468, lora: 0.87654321, full: 0.91357 },
  intervals: { base: [0.2311, 0.2522], lora: [0.8533, 0.8944], full: [0.9055, 0.9266] },
  loss: { base: 1.39, lora: 0.345678, full: 0.298 },
  trainableParameters: { lora: 76543, full: 22714756 },
  train: {
    lora: training(612.7, 17.29, 0.5171, 3),
    full: training(713.8, 11.38, 0.4262, 1),
  },
};

function training(seconds: number, rate: number, trainLoss: number, epoch: number) {
  const [trainRuntime, trainSamplesPerSecond] = [seconds, rate];
  const figures = { trainRuntime, trainSamplesPerSecond, trainLoss, epoch, step: epoch * 521 };
  return { ...figures, trainStepsPerSecond: 1, totalFlos: 0, stopped: false };
}

const OPTIONS: ModelCardOptions = {
  repo: "me/news-lora",
  method: "lora",
  libraryName: "peft",
  labels: ["World", "Sports"],
  dataset: { hub: "fancyzhx/ag_news", revision: "eb185aade064a813bc0b7f42de02595523103ca4" },
  settings: {
    ...run.lora,
    ...run.adapter,
    seed: run.seed,
    excludeModules: "a|b",
    onStep: () => {},
  },
  metrics: METRICS,
};

/** The YAML at a card's top. */
function metadata(card: string): Record<string, unknown> {
  const [, yaml = ""] = card.match(/^---\n([\s\S]+?)\n---\n\n# /) ?? [];
  return parse(yaml);
}

Deno.test("modelCard() states what was measured as the Hub's metadata", () => {
  assert.deepEqual(metadata(modelCard(OPTIONS)), {
    base_model: METRICS.model,
    library_name: "peft",
    pipeline_tag: "text-classification",
    tags: ["lora"],
    datasets: ["fancyzhx/ag_news"],
    metrics: ["accuracy"],
    "model-index": [{
      name: "news-lora",
      results: [{
        task: { type: "text-classification", name: "Text Classification" },
        dataset: {
          type: "fancyzhx/ag_news",
          name: "fancyzhx/ag_news",
          split: "test",
          revision: "eb185aade064a813bc0b7f42de02595523103ca4",
        },
        metrics: [
          { type: "accuracy", name: "Accuracy", value: 0.87654321 },
          { type: "loss", name: "Loss", value: 0.345678 },
        ],
      }],
    }],
  });
});

Deno.test("modelCard() names no data set that the Hub does not have, and no loss or licence unknown", () => {
  const metrics = { ...METRICS, loss: {} };
  const file = { file: "/home/me/headlines.csv" };
  const card = modelCard({
    ...{ ...OPTIONS, method: "full", libraryName: "transformers" },
    ...{ dataset: file, metrics, license: "mit" },
  });
  const { datasets, license, tags, "model-index": index } = metadata(card);
  assert.deepEqual([datasets, license, tags], [undefined, "mit", undefined]);
  const [{ results: [result] }] = index as [{ results: [Record<string, unknown>] }];
  const name = "headlines.csv";
  assert.deepEqual(result.dataset, { type: name, name, split: "test" });
  assert.equal(card.includes("/home/me"), false);
  assert.deepEqual(result.metrics, [{ type: "accuracy", name: "Accuracy", value: 0.91357 }]);
  assert.equal("license" in metadata(modelCard(OPTIONS)), false);
});

Deno.test("modelCard() shows accuracy with interval, weights, times and settings", () => {
  const lines = modelCard(OPTIONS).split("\n");
  for (
    const line of [
      "| untouched | 24.68 % | 23.11 – 25.22 % | – | – |",
      "| **LoRA** | **87.65 %** | **85.33 – 89.44 %** | **76,543** | **613 s, 17.3 samples/s** |",
      "| full fine-tuning | 91.36 % | 90.55 – 92.66 % | 22,714,756 | 714 s, 11.4 samples/s |",
      "1563 steps, to epoch 3; mean training loss 0.5171.",
      `| learningRate | \`${run.adapter.learningRate}\` |`,
      '| targetModules | `["query","value"]` |',
      '| excludeModules | `"a\\|b"` |',
      "| seed | `42` |",
    ]
  ) assert.ok(lines.includes(line), line);
  assert.equal(lines.some((line) => line.includes("onStep")), false);
  assert.ok(modelCard(OPTIONS).includes("1234 rows of `fancyzhx/ag_news`"));
  assert.ok(modelCard(OPTIONS).includes("0 World, 1 Sports"));
});

Deno.test("modelCard() takes each measured number from the metrics", () => {
  const changed = (value: unknown): unknown =>
    typeof value === "number"
      ? value * 0.75
      : Array.isArray(value)
      ? value.map(changed)
      : typeof value === "object"
      ? Object.fromEntries(Object.entries(value!).map(([key, x]) => [key, changed(x)]))
      : value;
  const metrics = changed(METRICS) as RunMetrics;
  // Settings, labels and names aside, no number of the one card stands in the other.
  const bare = { ...OPTIONS, settings: {}, labels: ["World"], dataset: { hub: "news" } };
  const numbers = (metrics: RunMetrics) =>
    modelCard({ ...bare, metrics: { ...metrics, model: "m", device: "d", date: "t" } })
      .match(/\d+([.,]\d+)*/g)!;
  const expected = ["1", "0", "95"]; // 1 class: 0 World; the interval's 95 %
  const common = numbers(METRICS).filter((number) => numbers(metrics).includes(number));
  assert.deepEqual(common, expected);
});

Deno.test("modelCard() says when training was stopped before its end", () => {
  const train = { ...METRICS.train, lora: { ...METRICS.train.lora!, stopped: true } };
  const card = modelCard({ ...OPTIONS, metrics: { ...METRICS, train } });
  assert.ok(card.includes("to epoch 3, where it was stopped; mean"));
});

Deno.test("modelCard() refuses metrics without this method's results", () => {
  const wrong = [{}, { ...METRICS, accuracy: {} }, { ...METRICS, train: {} }];
  for (const metrics of wrong as RunMetrics[]) {
    assert.throws(() => modelCard({ ...OPTIONS, metrics }), {
      name: "TypeError",
      message:
        /must hold accuracy, interval and training of 'lora': .*\. Run the notebook 05-evaluate/,
    });
  }
});

Deno.test("modelCard() writes names, labels and settings that mean nothing else", () => {
  const lines = modelCard({ ...OPTIONS, license: "mit" }).split("\n").length;
  for (const name of HOSTILE.filter(Boolean)) {
    const card = modelCard({
      ...OPTIONS,
      repo: `me/${name.replaceAll("/", "")}`,
      dataset: { hub: name },
      labels: [name, name],
      settings: { ...OPTIONS.settings, excludeModules: name },
      license: name,
      metrics: { ...METRICS, model: name, device: name },
    });
    const { base_model, datasets, license, ...rest } = metadata(card);
    assert.deepEqual([base_model, datasets, license], [name, [name], name]);
    const [{ results: [result] }] = rest["model-index"] as [{ results: [{ dataset: unknown }] }];
    assert.deepEqual(result.dataset, { type: name, name, split: "test" });
    assert.equal(card.split("\n").length, lines, card);
    const rows = card.split("\n").filter((line) => line.startsWith("| "));
    for (const row of rows) assert.match(row.replace(/\\./g, ""), /^(\|[^|]*){2,5}\|$/, row);
  }
});
