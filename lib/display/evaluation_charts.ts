import type { Calibration } from "../evaluate/calibration.ts";
import { wilsonInterval } from "../evaluate/metrics.ts";
import { visible } from "../text.ts";
import { accuracyAxis } from "./accuracy_charts.ts";
import {
  axisTitle,
  type Chart,
  type Colours,
  gridline,
  inWords,
  layout,
  legendBelow,
  look,
  plain,
  whiskers,
} from "./figure.ts";

/** The share of right rows with its 95 % interval. */
function measured(right: number, count: number) {
  const accuracy = right / count;
  const [low, high] = wilsonInterval(accuracy, count);
  return { accuracy, low, high, count };
}

/**
 * Charts the accuracy of models by their confidence, with 95 % intervals, above the number of rows in each bin. On the
 * diagonal both are the same; below it a model is surer than it is right. The legend has each model's expected calibration
 * error (ECE).
 *
 * @param models The calibration of each model, by the model's name.
 * @param colours Colours of some models, by name.
 *
 * @example
 * ```ts
 * import { calibration } from "lightweight-finetuning";
 * import { reliabilityChart, showChart } from "lightweight-finetuning/display";
 * const [logits, truth] = [[2, 0, 0, 3], [0, 1]];
 * await showChart(reliabilityChart({ LoRA: calibration(logits, truth, { bins: 10 }) }));
 * ```
 */
export function reliabilityChart(
  models: Record<string, Calibration>,
  colours: Colours = {},
): Chart {
  const all = Object.entries(models).map(([name, { bins, ece }], i) => ({
    ...{ name, ece, bins, ...look(name, i, colours) },
    points: bins.map(({ accuracy, count }) => measured(Math.round(accuracy * count), count)),
  }));
  const bins = all.flatMap(({ bins }) => bins);
  const left = Math.min(...bins.map(({ low }) => low), 0.9);
  const range = [left, 1.01];
  return {
    data: [
      {
        ...{ type: "scatter", mode: "lines", x: [0, 1], y: [0, 1], hoverinfo: "skip" },
        ...{ name: "as sure as right", line: { color: "#767676", dash: "dash", width: 1.5 } },
      },
      ...all.map(({ name, ece, bins, points, colour, marker }) => ({
        ...{
          type: "scatter",
          mode: "lines+markers",
          name: `${plain(name)}, ECE ${ece.toFixed(4)}`,
        },
        x: bins.map(({ confidence }) => confidence),
        y: points.map(({ accuracy }) => accuracy),
        ...{ error_y: whiskers(points, colour), line: { color: colour, width: 2 }, marker },
        hovertext: points.map((point, i) =>
          `${plain(name)}, confidence ${bins[i]!.confidence.toFixed(4)}: ${
            inWords(point)
          }, ${point.count} rows`
        ),
        hoverinfo: "text",
      })),
      ...all.map(({ name, bins, colour }) => ({
        ...{ type: "bar", name: plain(name), showlegend: false, yaxis: "y2" },
        x: bins.map(({ low, high }) => (low + high) / 2),
        y: bins.map(({ count }) => count),
        ...{ marker: { color: colour }, hovertemplate: "%{y} rows" },
      })),
    ],
    layout: layout("Reliability: accuracy by confidence", {
      xaxis: {
        ...{ ...gridline, title: axisTitle("Confidence") },
        ...{ range, anchor: "y2" },
      },
      yaxis: {
        ...{
          ...accuracyAxis([-0.03, 1.03]),
          title: axisTitle("Accuracy (95 % interval)"),
          domain: [0.34, 1],
        },
      },
      yaxis2: {
        ...{ ...gridline, title: axisTitle("Rows"), domain: [0, 0.24] },
        ...{ rangemode: "tozero", nticks: 4 },
      },
      bargap: 0.15,
      ...legendBelow,
      height: 520 + 20 * Math.ceil(all.length / 2),
    }),
    alt: `Accuracy by confidence: ${
      all.map(({ name, ece, bins, points }) =>
        `${visible(name)}, ECE ${ece.toFixed(4)}, ${
          points.map((point, i) =>
            `at ${bins[i]!.confidence.toFixed(2)} ${
              point.accuracy.toFixed(2)
            } of ${point.count} rows`
          ).join(", ")
        }`
      ).join("; ")
    }`,
  };
}

/** Rows and what models made of them. */
export interface LengthRows {
  /** Number of tokens of each row, [N]. */
  lengths: ArrayLike<number>;
  /** True class of each row, [N]. */
  truth: ArrayLike<number>;
  /** Each model's predicted class of each row, [N], by the model's name. */
  predictions: Record<string, ArrayLike<number>>;
}

const GROUPS = 5;

/**
 * Charts the accuracy of models by the length of the rows, with Wilson's 95 % intervals. The rows are in at most five groups
 * of about the same size; rows of one length share a group.
 *
 * @param rows Lengths, true classes and predictions.
 * @param colours Colours of some models, by name.
 * @throws {RangeError} When there are no rows, or not as many classes or predictions as lengths.
 *
 * @example
 * ```ts
 * import { accuracyByLengthChart, showChart } from "lightweight-finetuning/display";
 * const predictions = { LoRA: [0, 1, 1, 0] };
 * await showChart(accuracyByLengthChart({ lengths: [12, 30, 31, 80], truth: [0, 1, 1, 1], predictions }));
 * ```
 */
export function accuracyByLengthChart(rows: LengthRows, colours: Colours = {}): Chart {
  const { lengths, truth, predictions } = rows;
  if (!lengths.length) {
    throw new RangeError(
      "Cannot chart accuracy by length as 'lengths' must have at least one row: current value is 0",
    );
  }
  for (const [name, values] of [["truth", truth] as const, ...Object.entries(predictions)]) {
    if (values.length !== lengths.length) {
      throw new RangeError(
        `Cannot chart accuracy by length as '${name}' must have a class for each of the ` +
          `${lengths.length} rows: current value is ${values.length}`,
      );
    }
  }
  const rising = Array.from(lengths).sort((a, b) => a - b);
  const ends = new Set(
    Array.from(
      { length: GROUPS },
      (_, i) => rising[Math.ceil((i + 1) * rising.length / GROUPS) - 1]!,
    ),
  );
  const groups = [...ends].map((end, i, all) => {
    const inside = Array.from(lengths, (_, row) => row).filter((row) =>
      lengths[row]! <= end && (i === 0 || lengths[row]! > all[i - 1]!)
    );
    const shortest = inside.reduce((least, row) => Math.min(least, lengths[row]!), end);
    return { rows: inside, title: shortest === end ? `${end}` : `${shortest}–${end}` };
  });
  const names = Object.keys(predictions);
  const lines = names.map((name, i) => ({
    ...{ name, ...look(name, i, colours) },
    x: groups.map((_, group) => group + (i - (names.length - 1) / 2) * 0.6 / names.length),
    points: groups.map(({ rows }) =>
      measured(rows.filter((row) => predictions[name]![row] === truth[row]).length, rows.length)
    ),
  }));
  const points = lines.flatMap(({ points }) => points);
  const low = Math.min(...points.map((point) => point.low));
  const high = Math.max(...points.map((point) => point.high));
  const pad = 0.1 * Math.max(high - low, 0.1);
  return {
    data: lines.map(({ name, colour, marker, x, points }) => ({
      ...{ type: "scatter", mode: "markers", name: plain(name), marker, x },
      y: points.map(({ accuracy }) => accuracy),
      error_y: whiskers(points, colour),
      hovertext: points.map((point, i) =>
        `${plain(name)}, ${groups[i]!.title} tokens: ${inWords(point)}`
      ),
      hoverinfo: "text",
    })),
    layout: layout("Accuracy by length", {
      xaxis: {
        ...{ ...gridline, title: axisTitle("Tokens (rows in the group)") },
        ...{ showgrid: false, range: [-0.5, groups.length - 0.5] },
        tickvals: [...groups.keys()],
        ticktext: groups.map(({ title, rows }) => `${title}<br>(${rows.length})`),
      },
      yaxis: {
        ...accuracyAxis([Math.max(-0.03, low - pad), Math.min(1.03, high + pad)]),
        title: axisTitle("Test accuracy (95 % interval)"),
      },
      ...legendBelow,
      height: 420 + 20 * Math.ceil(names.length / 3),
    }),
    alt: `Accuracy by number of tokens: ${
      groups.map(({ title, rows }, i) =>
        `${title} tokens, ${rows.length} rows: ${
          lines.map(({ name, points }) => `${visible(name)} ${inWords(points[i]!)}`).join(", ")
        }`
      ).join("; ")
    }`,
  };
}
