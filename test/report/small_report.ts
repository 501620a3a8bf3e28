import { defaultSettings, type RunMetrics } from "course";
import type { HistoryRecord } from "lightweight-finetuning";
import { drawPng } from "../../lib/display/chart.ts";
import { accuracyChart } from "../../lib/display/accuracy_charts.ts";
import { confusionCharts } from "../../lib/display/confusion_chart.ts";
import { gridHtml } from "../../lib/display/grid.ts";

export const chart = accuracyChart({ name: "a</script><b>", accuracy: 0.5, low: 0.4, high: 0.6 });

const panels = confusionCharts(
  { untouched: [[500, 500], [500, 500]], LoRA: [[900, 100], [50, 950]] },
  ["World", "Sports"],
);

/** The output that shows a chart. */
export const chartOutput = async (words: string, { data, layout } = chart) => ({
  output_type: "display_data",
  metadata: {},
  data: {
    "application/vnd.plotly.v1+json": { data, layout },
    "image/png": (await drawPng({ data, layout })).toString("base64"),
    "text/plain": words,
  },
});

/** Outputs of each kind that the notebooks have; the table is wider than a phone. */
export const outputs = async () => [
  { output_type: "stream", name: "stdout", text: `${"words ".repeat(60)}\n${"x".repeat(300)}\n` },
  { output_type: "stream", name: "stderr", text: "a warning\n" },
  {
    output_type: "display_data",
    metadata: {},
    data: {
      "text/html": gridHtml({
        title: "Figures",
        columns: Array.from({ length: 9 }, (_, i) => `column${i}`),
        cells: Array.from({ length: 30 }, () => Array(9).fill("0.9155")),
        right: new Set([1]),
      }),
    },
  },
  await chartOutput("Accuracy in words"),
  await chartOutput("Matrices in words", panels),
  {
    output_type: "error",
    ename: "TypeError",
    evalue: "no",
    traceback: [
      "\u001b[31m\u001b[1mTypeError\u001b[0m: no",
      "    at \u001b[36mfile.ts\u001b[0m:\u001b[33m1\u001b[0m \u001b[38;5;250mfaint\u001b[0m",
    ],
  },
];

/** Code with a token of each colour, and a line that is wider than any page. */
export const source = `// A comment
import { readFile } from "node:fs/promises";
const numbers: number[] = [1, 2.5].map((x) => x * 2);
class Some extends Error {
  override name = \`in \${numbers}\`;
}
const isNew = new Some() instanceof Error && /a+/.test('b') || true;
await showChart(${"chart.".repeat(60)}data, "${"y".repeat(200)}");
`;

export function notebook(
  text: string,
  outputs: unknown[] = [],
  source = "await showChart(chart);",
): string {
  const metadata = {};
  const code = { cell_type: "code", id: "b", metadata, source };
  return JSON.stringify({
    cells: [
      { cell_type: "markdown", id: "a", metadata, source: text.split(/(?<=\n)/) },
      { ...code, execution_count: 1, outputs },
    ],
    metadata: {
      kernelspec: { name: "deno", display_name: "Deno", language: "typescript" },
      language_info: { name: "typescript" },
    },
    nbformat: 4,
    nbformat_minor: 5,
  });
}

const record = { epoch: 1, learningRate: 1e-4, gradNorm: 1 };
export const history: HistoryRecord[] = [
  { step: 2500, loss: 0.5, evalLoss: 0.4, ...record },
  { step: 5000, loss: 0.4, evalLoss: 0.3, ...record },
  { step: 7500, loss: 0.3, evalLoss: 0.2, ...record },
];

const training = { trainRuntime: 612.7, trainSamplesPerSecond: 17.29, trainStepsPerSecond: 1.08 };
export const metrics: RunMetrics = {
  profile: "quick <1>",
  device: "2 <b>CPU\u001b</b> cores",
  date: "2001-02-03",
  model: "me/base",
  settings: { ...defaultSettings("sample"), data: "<my>.csv" },
  testRows: 3800,
  accuracy: { base: 0.2503, lora4bit: 0.9112, lora: 0.9155, full: 0.9453 },
  loss: { base: 1.38571, lora: 0.32 },
  intervals: { lora: [0.9062, 0.924] },
  trainableParameters: { lora4bit: 888581, lora: 888580 },
  train: {
    lora4bit: { ...training, totalFlos: 0, trainLoss: 0.3, epoch: 1, step: 7500, stopped: false },
  },
};
