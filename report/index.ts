import { type ByMethod, METHOD_KEYS, METHODS, type RunMetrics } from "course";
import type { HistoryRecord } from "lightweight-finetuning";
import {
  accuracyChart,
  type Chart,
  drawPng,
  escapeHtml,
  gridHtml,
  lossChart,
} from "lightweight-finetuning/display";
import { originalSection } from "./original.ts";

/** A notebook's page in the report. */
export interface Page {
  /** Its file, beside index.html. */
  file: string;
  title: string;
  /** One line on what it does. */
  summary: string;
}

/** How training went, for each method whose history is there. */
export type Histories = ByMethod<HistoryRecord[]>;

/**
 * Writes the report's first page.
 *
 * @param metrics What the run measured.
 * @param histories How its trainings went.
 * @param pages The notebooks' pages, in reading order.
 * @param style The text of its style sheet.
 * @param script The text of its script.
 * @returns The page's HTML.
 */
export async function indexPage(
  metrics: RunMetrics,
  histories: Histories,
  pages: Page[],
  style: string,
  script: string,
): Promise<string> {
  const title = `Fine-tuning report: ${metrics.profile}`;
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
<p>${dataLine(metrics)}Model: ${escapeHtml(metrics.model)}<br>
Machine: ${escapeHtml(metrics.device)}<br>
Date: ${escapeHtml(metrics.date)}</p>
<h2>Results on the ${metrics.testRows.toLocaleString("en")} test rows</h2>
<div class="wide figures">${resultTable(metrics)}</div>
${await figure(chartOf(metrics))}
${await lossFigure(histories)}
${originalSection(metrics, histories)}
<h2>Notebooks</h2>
<dl>
${pages.map(entry).join("\n")}
</dl>
${settingsTable(metrics)}
</main>
<script type="module">${script}</script>
</body>
</html>
`;
}

function dataLine({ settings }: RunMetrics): string {
  if (!settings) return "";
  const { data } = settings;
  return `Data: ${escapeHtml(typeof data === "string" ? data : data.train)}<br>\n`;
}

/** The methods that were measured. */
const measured = ({ accuracy }: RunMetrics) =>
  METHOD_KEYS.flatMap((method) => {
    const value = accuracy[method];
    return value === undefined ? [] : [{ method, name: METHODS[method].name, accuracy: value }];
  });

function resultTable(metrics: RunMetrics): string {
  const cells = measured(metrics).map(({ method, name, accuracy }) => {
    const result = metrics.train[method];
    return [
      name,
      accuracy.toFixed(4),
      metrics.intervals[method]?.map((end) => end.toFixed(4)).join("–") ?? "–",
      metrics.loss[method]?.toFixed(4) ?? "–",
      metrics.trainableParameters[method]?.toLocaleString("en") ?? "–",
      result ? `${result.trainRuntime.toFixed(0)} s` : "–",
      result?.trainSamplesPerSecond.toFixed(1) ?? "–",
    ];
  });
  return gridHtml({
    columns: [
      ...["Method", "Accuracy", "95 % interval", "Loss"],
      ...["Trained weights", "Training time", "Samples/s"],
    ],
    cells,
    right: new Set([1, 2, 3, 4, 5, 6]),
  });
}

function chartOf(metrics: RunMetrics): Chart {
  return accuracyChart(
    ...measured(metrics).map(({ method, name, accuracy }) => {
      const [low, high] = metrics.intervals[method] ?? [accuracy, accuracy];
      return { name, accuracy, low, high };
    }),
  );
}

async function lossFigure(histories: Histories): Promise<string> {
  const runs = METHOD_KEYS.flatMap((method) => {
    const history = histories[method];
    return history?.length ? [[METHODS[method].name, history]] : [];
  });
  return runs.length > 0 ? await figure(lossChart(Object.fromEntries(runs))) : "";
}

function settingsTable({ settings }: RunMetrics): string {
  if (!settings) return "";
  const cells = Object.entries(settings).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value, null, 1).replace(/\s+/g, " "),
  ]);
  return `<h2>Settings</h2>
<div class="wide">${gridHtml({ columns: ["Setting", "Value"], cells, right: new Set() })}</div>
<p>What is not in the table was left to the profile, the data or the model.</p>`;
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
