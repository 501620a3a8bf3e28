import { type Chart, drawPng } from "lightweight-finetuning/display";
import type { Result } from "./summary.ts";

/** Horizontal bars, the first at the top. */
export function barChart(
  title: string,
  bars: { name: string; value: number; text: string; colour?: string }[],
  more: Chart["data"] = [],
): Chart {
  return {
    data: [{
      type: "bar",
      orientation: "h",
      x: bars.map(({ value }) => value),
      y: bars.map(({ name }) => name),
      text: bars.map(({ text }) => text),
      textposition: "outside",
      cliponaxis: false,
      marker: { color: bars.map(({ colour = "#0072B2" }) => colour) },
    }, ...more],
    layout: {
      title: { text: title, x: 0, xanchor: "left", pad: { l: 12 }, font: { size: 15 } },
      font: { family: "Open Sans, Helvetica, Arial, sans-serif", size: 12, color: "#333333" },
      xaxis: { rangemode: "tozero", gridcolor: "#E5E5E5", automargin: true },
      yaxis: { autorange: "reversed", automargin: true },
      margin: { l: 60, r: 80, t: 60, b: 40 },
      showlegend: false,
      width: 1100,
      height: 110 + 28 * bars.length,
    },
  };
}

const [WIDTH, RIGHT, TOP, HEAD, ROW, BOTTOM] = [830, 80, 40, 68, 26, 36];

/** The comparisons with Python that have a short name: speed above, memory below, the numbers in a column of their own. */
export function ratioChart(results: Result[]): Chart {
  const measured = results.filter(({ short, ratio }) => short && ratio !== null);
  const panels = [
    {
      title: "Times as fast as Python (more is better)",
      one: "1 = Python",
      rows: measured.filter(({ unit }) => unit !== "MB"),
      text: (ratio: number) => `${ratio.toFixed(2)} ×`,
    },
    {
      title: "Share of Python's memory (less is better)",
      one: "100 % = Python",
      rows: measured.filter(({ unit }) => unit === "MB"),
      text: (ratio: number) => `${(100 * ratio).toFixed(0)} %`,
    },
  ].filter(({ rows }) => rows.length);
  const inner = panels.reduce((sum, { rows }) => sum + HEAD + ROW * rows.length, 0) || HEAD;
  const data: Chart["data"] = [];
  const annotations: Record<string, unknown>[] = [];
  const axes: Record<string, unknown> = {};
  const shapes: Record<string, unknown>[] = [];
  let above = 0;
  for (const [i, { title, one, rows, text }] of panels.entries()) {
    const n = i ? String(i + 1) : "";
    above += HEAD;
    const domain = [1 - (above + ROW * rows.length) / inner, 1 - above / inner];
    above += ROW * rows.length;
    const ratios = rows.map(({ ratio }) => ratio!);
    const ranges = rows.map(({ range, ratio }) => range ?? [ratio!, ratio!] as const);
    const places = [...rows.keys()];
    data.push({
      type: "bar",
      orientation: "h",
      x: ratios,
      y: places,
      xaxis: `x${n}`,
      yaxis: `y${n}`,
      width: 0.6,
      marker: { color: "#7DB6DB" },
      error_x: {
        type: "data",
        symmetric: false,
        array: ranges.map(([, high], row) => high - ratios[row]!),
        arrayminus: ranges.map(([low], row) => ratios[row]! - low),
        thickness: 1.5,
        width: 4,
        color: "#333333",
      },
    });
    const end = 1.05 * Math.max(1, ...ranges.flat());
    axes[`xaxis${n}`] = {
      range: [0, end],
      dtick: end > 4 ? 1 : end > 1.5 ? 0.5 : 0.25,
      ...(i && { tickformat: ".0%" }),
      gridcolor: "#E5E5E5",
      zeroline: false,
      anchor: `y${n}`,
    };
    axes[`yaxis${n}`] = {
      domain,
      range: [rows.length - 0.5, -0.5],
      tickvals: places,
      ticktext: rows.map(({ short }) => short!),
      ticks: "outside",
      tickcolor: "#FFFFFF",
      showgrid: false,
      zeroline: false,
      automargin: true,
      anchor: `x${n}`,
    };
    const paper = { xref: "paper", yref: "paper", showarrow: false };
    annotations.push(
      {
        ...paper,
        text: title,
        font: { size: 14 },
        x: 0,
        xanchor: "left",
        y: domain[1],
        yanchor: "bottom",
        yshift: 18,
      },
      {
        ...{ xref: `x${n}`, yref: "paper", showarrow: false, text: one },
        ...{ x: 1, y: domain[1], yanchor: "bottom", font: { size: 11 } },
      },
      ...ratios.map((ratio, row) => ({
        ...{ xref: "paper", yref: `y${n}`, showarrow: false, text: text(ratio) },
        ...{ x: 1, xanchor: "left", xshift: 12, y: row, yanchor: "middle", name: "value" },
      })),
    );
    shapes.push({
      ...{ type: "line", xref: `x${n}`, yref: "paper", x0: 1, x1: 1, y0: domain[0], y1: domain[1] },
      line: { color: "#333333", width: 2, dash: "dot" },
    });
  }
  const rounds = [...new Set(measured.map(({ rounds }) => rounds))].sort((a, b) => a - b);
  const machines = [...new Set(measured.map(({ machine }) => machine))].join("; ");
  return {
    data,
    layout: {
      title: {
        text: `${machines}<br>medians of ${
          rounds.join(" or ")
        } rounds; thin lines: the lowest and the highest round`,
        ...{ x: 0, xanchor: "left", pad: { l: 12, b: 4 }, font: { size: 12 } },
        ...{ yref: "paper", y: 1, yanchor: "bottom" },
      },
      font: { family: "Open Sans, Helvetica, Arial, sans-serif", size: 13, color: "#333333" },
      ...axes,
      annotations,
      shapes,
      margin: { l: 12, r: RIGHT, t: TOP, b: BOTTOM },
      showlegend: false,
      width: WIDTH,
      height: TOP + inner + BOTTOM,
    },
  };
}

/** Writes a chart as a picture and as a page that plotly.js of node_modules makes interactive. */
export async function writeChart(chart: Chart, path: string) {
  await Deno.writeFile(`${path}.png`, await drawPng(chart, 2));
  const figure = JSON.stringify({ data: chart.data, layout: chart.layout }).replaceAll(
    "<",
    "\\u003c",
  );
  await Deno.writeTextFile(
    `${path}.html`,
    `<!DOCTYPE html><meta charset="utf-8"><div id="chart"></div>
<script src="../node_modules/plotly.js-dist-min/plotly.min.js"></script>
<script>Plotly.newPlot("chart", ${figure})</script>
`,
  );
}

// Draws README.md's picture from one or more runs: deno run -A bench/chart.ts docs/speed.png runs/bench-readme.json
if (import.meta.main) {
  const [picture, ...runs] = Deno.args;
  const results = runs.flatMap((run) => JSON.parse(Deno.readTextFileSync(run)) as Result[]);
  await Deno.writeFile(picture!, await drawPng(ratioChart(results), 2));
}
