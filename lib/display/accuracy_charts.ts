import { visible } from "../text.ts";
import {
  type AccuracyBar,
  axisTitle,
  type Chart,
  checkBar,
  gridline,
  inWords,
  layout,
  legendBelow,
  look,
  named,
  plain,
  whiskers,
} from "./figure.ts";

/**
 * The part of an axis where most bars are, with those bars: all of them, unless the fewer of two groups lie more than three
 * times as far from the others as these from each other.
 */
function closeUp<Bar extends AccuracyBar>(bars: Bar[]): { near: Bar[]; range: [number, number] } {
  const rising = bars.toSorted((a, b) => a.accuracy - b.accuracy);
  const reach = (some: Bar[]): [number, number] => [
    Math.min(...some.map(({ low }) => low)),
    Math.max(...some.map(({ high }) => high)),
  ];
  let near = bars;
  for (let cut = 1; cut < rising.length; cut++) {
    const [lower, upper] = [rising.slice(0, cut), rising.slice(cut)];
    const gap = reach(upper)[0] - reach(lower)[1];
    const most = lower.length > upper.length ? lower : upper;
    const [low, high] = reach(most);
    const isMost = 2 * most.length > bars.length;
    if (isMost && gap > 3 * Math.max(high - low, 0.01) && most.length < near.length) near = most;
  }
  if (bars.length < 2) return { near, range: [0, 1.03] };
  const [low, high] = reach(near);
  const [middle, half] = [(low + high) / 2, Math.max(high - low, 0.02) * 0.62];
  return { near, range: [Math.max(-0.03, middle - half), Math.min(1.03, middle + half)] };
}

/** Three to seven ticks: their numbers must not run together on a narrow page. */
function tickStep([low, high]: [number, number]): number {
  const rough = (high - low) / 5.4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.99)!;
}

/** An axis of accuracies, without numbers below 0 or above 1. */
export function accuracyAxis(range: [number, number]) {
  const dtick = tickStep(range);
  const first = Math.ceil(Math.max(0, range[0]) / dtick - 1e-9);
  const last = Math.floor(Math.min(1, range[1]) / dtick + 1e-9);
  const tickvals = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * dtick);
  const decimals = Math.max(1, Math.ceil(-Math.log10(dtick) - 1e-9));
  const ticktext = tickvals.map((value) => value.toFixed(decimals));
  return { ...gridline, range, tickvals, ticktext };
}

/**
 * Charts accuracies as points with their 95 % intervals. The axis shows where most of them are; one that is far from these,
 * as an untouched model's, is a triangle at the edge, with its number.
 *
 * @param bars The accuracies, the first at the top.
 * @throws {RangeError} When an accuracy is outside its interval.
 *
 * @example
 * ```ts
 * import { accuracyChart, showChart } from "lightweight-finetuning/display";
 * await showChart(
 *   accuracyChart({ name: "LoRA", accuracy: 0.9155, low: 0.9062, high: 0.924 }),
 * );
 * ```
 */
export function accuracyChart(...bars: AccuracyBar[]): Chart {
  bars.forEach(checkBar);
  const rows = bars.map((bar, row) => ({ ...bar, row, ...look(bar.name, row, coloursOf(bars)) }));
  const { near, range } = closeUp(rows);
  const away = rows.filter((bar) => !near.includes(bar));
  const points = near.map((bar) => ({
    ...{ type: "scatter", mode: "markers+text", x: [bar.accuracy], y: [bar.row] },
    marker: { ...bar.marker, size: 11 },
    error_x: whiskers([bar], bar.colour),
    text: [bar.accuracy.toFixed(4)],
    ...{ textposition: "top center", cliponaxis: false },
    ...{ hovertext: `${plain(bar.name)}: ${inWords(bar)}`, hoverinfo: "text" },
  }));
  const inside = 0.02 * (range[1] - range[0]);
  const edges = away.map((bar) => {
    const left = bar.accuracy < range[0];
    return {
      ...{
        type: "scatter",
        mode: "markers+text",
        x: [left ? range[0] + inside : range[1] - inside],
        y: [bar.row],
      },
      marker: { color: bar.colour, symbol: left ? "triangle-left" : "triangle-right", size: 12 },
      text: [
        left
          ? `\u00a0\u00a0${bar.accuracy.toFixed(4)}, left of this axis`
          : `${bar.accuracy.toFixed(4)}, right of this axis\u00a0\u00a0`,
      ],
      ...{ textposition: left ? "middle right" : "middle left", cliponaxis: false },
      ...{ hovertext: `${plain(bar.name)}: ${inWords(bar)}`, hoverinfo: "text" },
    };
  });
  return {
    data: [...points, ...edges],
    layout: layout("Test accuracy with 95 % intervals", {
      xaxis: { ...accuracyAxis(range), title: axisTitle("Accuracy") },
      yaxis: {
        ...named(bars.map(({ name }) => name)),
        ...{ range: [bars.length - 0.5, -0.65], showgrid: true, gridcolor: "#F2F2F2" },
      },
      margin: { l: 60, r: 40, t: 50, b: 55 },
      height: 130 + 48 * bars.length,
      showlegend: false,
    }),
    alt: `Accuracy: ${bars.map((bar) => `${visible(bar.name)} ${inWords(bar)}`).join("; ")}`,
  };
}

const coloursOf = (bars: AccuracyBar[]) =>
  Object.fromEntries(bars.flatMap(({ name, colour }) => colour ? [[name, colour]] : []));

/** An accuracy and what it cost. */
export interface TrainedAccuracy extends AccuracyBar {
  /** Number of trained weights, above 0. */
  weights: number;
}

/**
 * Charts accuracies with their 95 % intervals by the number of weights that were trained, on a logarithmic axis. Where two
 * numbers of weights are nearly equal, the points stand side by side.
 *
 * @param points The accuracies, each with its trained weights.
 * @throws {RangeError} When there is no point, an accuracy is outside its interval, or a number of weights is not above 0.
 *
 * @example
 * ```ts
 * import { showChart, weightsChart } from "lightweight-finetuning/display";
 * await showChart(weightsChart(
 *   { name: "LoRA", weights: 887_812, accuracy: 0.893, low: 0.883, high: 0.903 },
 *   { name: "full fine-tuning", weights: 124_648_708, accuracy: 0.897, low: 0.887, high: 0.906 },
 * ));
 * ```
 */
export function weightsChart(...points: TrainedAccuracy[]): Chart {
  points.forEach(checkBar);
  for (const { name, weights } of points) {
    if (!(weights > 0 && Number.isFinite(weights))) {
      throw new RangeError(
        `Cannot chart '${name}' as 'weights' must be a number above 0: current value is ${weights}`,
      );
    }
  }
  if (!points.length) {
    throw new RangeError("Cannot chart weights as 'points' must not be empty: current value is []");
  }
  const logs = points.map(({ weights }) => Math.log10(weights));
  const [least, most] = [Math.min(...logs), Math.max(...logs)];
  const span = Math.max(2, most - least + 1);
  const apart = 0.025 * span; // a marker's width and its gap
  const placed = points.map((point, i) => {
    const alike = logs.keys().filter((j) => Math.abs(logs[j]! - logs[i]!) < apart).toArray();
    return { ...point, at: logs[i]! + (alike.indexOf(i) - (alike.length - 1) / 2) * apart };
  });
  const [left, right] = [(least + most - span) / 2, (least + most + span) / 2];
  const ticks = Array.from(
    { length: Math.floor(right) - Math.ceil(left) + 1 },
    (_, i) => Math.ceil(left) + i,
  );
  const low = Math.min(...points.map((point) => point.low));
  const high = Math.max(...points.map((point) => point.high));
  const half = Math.max(high - low, 0.02) * 0.62;
  return {
    data: placed.map((point, i) => {
      const { colour, marker } = look(point.name, i, coloursOf(points));
      return {
        ...{ type: "scatter", mode: "markers", x: [point.at], y: [point.accuracy] },
        ...{
          name: `${plain(point.name)}, ${count(point.weights)}`,
          marker: { ...marker, size: 11 },
        },
        error_y: whiskers([point], colour),
        hovertext: `${plain(point.name)}: ${point.weights.toLocaleString("en")} weights, ${
          inWords(point)
        }`,
        hoverinfo: "text",
      };
    }),
    layout: layout("Accuracy by trained weights", {
      xaxis: {
        ...{ ...gridline, title: axisTitle("Trained weights"), range: [left, right] },
        ...{ tickvals: ticks, ticktext: ticks.map((tick) => count(10 ** tick)) },
      },
      yaxis: {
        ...accuracyAxis([
          Math.max(-0.03, (low + high) / 2 - half),
          Math.min(1.03, (low + high) / 2 + half),
        ]),
        title: axisTitle("Test accuracy (95 % interval)"),
      },
      ...legendBelow,
      height: 400 + 20 * Math.ceil(points.length / 2),
    }),
    alt: `Accuracy by trained weights: ${
      points.map((point) =>
        `${visible(point.name)} ${point.weights.toLocaleString("en")} weights, ${inWords(point)}`
      ).join("; ")
    }`,
  };
}

/** 887812 as "888 k". */
function count(weights: number): string {
  const units = ["", " k", " M", " G", " T"];
  const thousands = Math.min(4, Math.max(0, Math.floor(Math.log10(weights * 1.0005) / 3)));
  return `${Number((weights / 1000 ** thousands).toPrecision(3))}${units[thousands]}`;
}
