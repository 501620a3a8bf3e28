import { accuracyChart, type Chart } from "../lib/display/charts.ts";
import { escapeHtml, gridHtml } from "../lib/display/grid.ts";
import { drawPng } from "../lib/display/picture.ts";
import type { TrainResult } from "../lib/train/events.ts";

type Method = "base" | "lora" | "full";

const methods: Record<Method, string> = {
  base: "Untouched",
  lora: "LoRA",
  full: "Full fine-tuning",
};

/** What the report reads of a run's `metrics.json`; rows of the table lack what the file lacks. */
export interface Metrics {
  profile: string;
  device: string;
  date?: string;
  accuracy: Partial<Record<Method, number>>;
  /** The 95 % interval of each accuracy. */
  intervals?: Partial<Record<Method, [low: number, high: number]>>;
  trainableParameters?: Partial<Record<Method, number>>;
  train?: Partial<Record<Method, TrainResult>>;
}

/** A notebook's page in the report. */
export interface Page {
  /** Its file, beside index.html. */
  file: string;
  title: string;
  /** One line on what it does. */
  summary: string;
}

/**
 * Writes the report's first page.
 *
 * @param style The text of its style sheet
 * @param script The text of the script that makes its chart interactive
 *
 * @example
 * ```ts ignore
 * const html = await indexPage(metrics, pages, style, script);
 * ```
 */
export async function indexPage(
  metrics: Metrics,
  pages: Page[],
  style: string,
  script: string,
): Promise<string> {
  const title = `Fine-tuning report: ${metrics.profile}`;
  const facts = [["Machine", metrics.device], ["Date", metrics.date]].filter(([, value]) => value);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p>${facts.map(([name, value]) => `${name}: ${escapeHtml(String(value))}`).join("<br>\n")}</p>
<h2>Accuracy on the test rows</h2>
<div class="wide">${resultTable(metrics)}</div>
${await figure(chartOf(metrics))}
<h2>Notebooks</h2>
<dl>
${pages.map(entry).join("\n")}
</dl>
</main>
<script>${script}</script>
</body>
</html>
`;
}

function measured({ accuracy }: Metrics): [Method, number][] {
  return (Object.keys(methods) as Method[]).flatMap((method) => {
    const value = accuracy[method];
    return value === undefined ? [] : [[method, value]];
  });
}

function resultTable(metrics: Metrics): string {
  const cells = measured(metrics).map(([method, accuracy]) => {
    const result = metrics.train?.[method];
    return [
      methods[method],
      accuracy.toFixed(4),
      metrics.intervals?.[method]?.map((end) => end.toFixed(4)).join("–") ?? "",
      metrics.trainableParameters?.[method]?.toLocaleString("en") ?? "",
      result ? `${result.trainRuntime.toFixed(0)} s` : "",
      result?.trainSamplesPerSecond.toFixed(1) ?? "",
    ];
  });
  return gridHtml({
    columns: ["", "Accuracy", "95 % interval", "Trained parameters", "Training", "Samples/s"],
    cells,
    right: new Set([1, 2, 3, 4, 5]),
  });
}

function chartOf(metrics: Metrics): Chart {
  return accuracyChart(
    ...measured(metrics).map(([method, accuracy]) => {
      const [low, high] = metrics.intervals?.[method] ?? [accuracy, accuracy];
      return { name: methods[method], accuracy, low, high };
    }),
  );
}

async function figure({ data, layout, alt = "" }: Chart): Promise<string> {
  const png = (await drawPng({ data, layout }, 2)).toString("base64");
  // "</script>" within a string would end the element.
  const json = JSON.stringify({ data, layout }).replaceAll("/", "\\/");
  return `<figure class="chart">
<img src="data:image/png;base64,${png}" alt="${escapeHtml(alt)}" width="700">
<script type="application/json">${json}</script>
</figure>`;
}

function entry({ file, title, summary }: Page): string {
  const link = `<a href="${encodeURIComponent(file)}">${escapeHtml(title)}</a>`;
  return `<dt>${link}</dt><dd>${escapeHtml(summary)}</dd>`;
}
