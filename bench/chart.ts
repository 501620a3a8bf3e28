import { type Chart, drawPng } from "lightweight-finetuning/display";
import { reached, type Result } from "./summary.ts";

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

/** The ratios that have a target, which is a mark. */
export function ratioChart(results: Result[], machine: string): Chart {
  const measured = results.filter(({ ratio, target }) => ratio !== null && target);
  const names = measured.map(({ what }) => what);
  const bars = measured.map((result, i) => ({
    name: names[i]!,
    value: result.ratio!,
    text: result.ratio!.toPrecision(3),
    colour: reached(result) === false ? "#D55E00" : "#0072B2",
  }));
  const goals = measured.map(({ target }) => Object.values(target!)[0]);
  return barChart(`Ours : Python's, with the target as a mark · ${machine}`, bars, [{
    type: "scatter",
    mode: "markers",
    x: goals,
    y: names,
    marker: { symbol: "line-ns", size: 18, line: { width: 2, color: "#333333" } },
  }]);
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
