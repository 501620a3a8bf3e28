import { visible } from "../text.ts";
import type { HistoryRecord } from "../train/events.ts";

/** A Plotly figure: its traces and its layout, as plotly.js takes them. */
export interface Chart {
  /** The traces. */
  data: Record<string, unknown>[];
  /** Title, axes and size; 700 by 400 pixels where it names no size. */
  layout: Record<string, unknown> & { width?: number; height?: number };
  /** Describes the chart in words, for readers who cannot see it and for logs. */
  alt?: string;
}

// Okabe and Ito's colours, which people with any kind of colour blindness tell apart.
const colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"];
const ink = "#333333";
const gridline = { gridcolor: "#E5E5E5", linecolor: "#999999", zeroline: false, automargin: true };
const axisTitle = (text: string) => ({ text, standoff: 12 });

/** Text that Plotly draws as it is: it reads <b>, <a> and &amp; as HTML does, and $…$ as LaTeX. */
const plain = (text: string) =>
  visible(text).replace(/[&<>$]/g, (character) => `&#${character.charCodeAt(0)};`);

/** An axis of names at 0, 1, 2, …: Plotly would merge two that are alike, and take "1" for a number. */
const named = (names: string[]) => ({
  ...gridline,
  showgrid: false,
  ticks: "",
  tickvals: [...names.keys()],
  ticktext: names.map(plain),
});

/** The layout of all charts, with a white background on dark pages too. */
function layout(title: string, rest: Record<string, unknown>): Chart["layout"] {
  return {
    title: { text: plain(title), x: 0, xanchor: "left", pad: { l: 12 }, font: { size: 16 } },
    font: { family: "Open Sans, Helvetica, Arial, sans-serif", size: 13, color: ink },
    paper_bgcolor: "white",
    plot_bgcolor: "white",
    margin: { l: 60, r: 30, t: 60, b: 55 },
    height: 400,
    ...rest,
  };
}

/**
 * Charts the losses of one or more runs by step: the training loss as a line, the validation loss
 * dotted, with a marker for each evaluation.
 *
 * @param runs The history of each run, by the run's name.
 *
 * @example
 * ```ts
 * import { lossChart, showChart } from "lightweight-finetuning/display";
 * const record = { epoch: 0.5, learningRate: 1e-4, gradNorm: 1 };
 * const history = [{ step: 1, loss: 1.4, ...record }, { step: 2, loss: 1.1, ...record }];
 * await showChart(lossChart({ LoRA: history }));
 * ```
 */
export function lossChart(runs: Record<string, HistoryRecord[]>): Chart {
  const kinds = [
    { key: "loss", name: "training", mode: "lines", dash: "solid" },
    { key: "evalLoss", name: "validation", mode: "lines+markers", dash: "dot" },
  ] as const;
  const lines = Object.entries(runs).flatMap(([run, history], i) =>
    kinds.flatMap(({ key, name, mode, dash }) => {
      const points = history.filter((record) => record[key] !== undefined);
      if (points.length === 0) return [];
      return [{
        x: points.map(({ step }) => step),
        y: points.map((record) => record[key]!),
        name: `${run}, ${name}`,
        mode,
        line: { color: colours[i % colours.length], dash, width: 2 },
        marker: { size: 7 },
      }];
    })
  );
  const ends = lines.map(({ name, y }) =>
    `${visible(name)} ${y[0]!.toFixed(4)} to ${y.at(-1)!.toFixed(4)}`
  );
  return {
    data: lines.map((line) => ({ type: "scatter", ...line, name: plain(line.name) })),
    layout: layout("Training and validation loss", {
      xaxis: { ...gridline, title: axisTitle("Step"), rangemode: "tozero" },
      yaxis: { ...gridline, title: axisTitle("Loss"), rangemode: "tozero" },
      legend: { x: 1, xanchor: "right", y: 1, bgcolor: "rgba(255, 255, 255, 0.8)" },
      showlegend: true,
    }),
    alt: `Loss by step: ${ends.join("; ")}`,
  };
}

/** An accuracy with its 95 % interval. */
export interface AccuracyBar {
  /** What was measured. */
  name: string;
  /** Between 0 and 1, as are the interval's ends. */
  accuracy: number;
  /** Lower end of the interval. */
  low: number;
  /** Upper end of the interval. */
  high: number;
}

/**
 * Charts accuracies side by side with their 95 % intervals.
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
  for (const { name, accuracy, low, high } of bars) {
    if (!(low <= accuracy && accuracy <= high)) {
      throw new RangeError(
        `Cannot chart '${name}' as 'accuracy' must be between its 'low' and 'high': ` +
          `current value is ${accuracy}, not between ${low} and ${high}`,
      );
    }
  }
  const labels = bars.map(({ accuracy }) => accuracy.toFixed(4));
  const names = bars.map(({ name }) => name);
  const rows = [...names.keys()];
  return {
    data: [{
      type: "bar",
      orientation: "h",
      x: bars.map(({ accuracy }) => accuracy),
      y: rows,
      marker: { color: colours[0] },
      error_x: {
        type: "data",
        array: bars.map(({ accuracy, high }) => high - accuracy),
        arrayminus: bars.map(({ accuracy, low }) => accuracy - low),
        color: ink,
        thickness: 1.5,
        width: 5,
      },
      hovertext: bars.map(({ name }, i) => `${plain(name)}: ${labels[i]}`),
      hoverinfo: "text",
    }, {
      type: "scatter",
      mode: "text",
      x: bars.map(({ high }) => high),
      y: rows,
      text: labels.map((label) => `\u00a0${label}`),
      textposition: "middle right",
      cliponaxis: false,
      hoverinfo: "skip",
    }],
    layout: layout("Test accuracy with 95 % intervals", {
      xaxis: { ...gridline, range: [0, 1.05], dtick: 0.2 },
      yaxis: { ...named(names), autorange: "reversed" },
      bargap: 0.45,
      margin: { l: 60, r: 60, t: 60, b: 40 },
      height: 110 + 50 * bars.length,
      showlegend: false,
    }),
    alt: `Accuracy: ${
      bars.map(({ name, low, high }, i) =>
        `${visible(name)} ${labels[i]} (${low.toFixed(4)} to ${high.toFixed(4)})`
      ).join("; ")
    }`,
  };
}

/** A name that is short enough for an axis: names that are alike often differ at an end. */
function tick(name: string): string {
  const characters = [...visible(name)];
  if (characters.length <= 30) return characters.join("");
  return `${characters.slice(0, 18).join("")}…${characters.slice(-11).join("")}`;
}

/** East Asian letters are square. */
const emWidth = (letter: string) =>
  letter >= "\u2E80" ? 1 : letter === letter.toLowerCase() ? 0.58 : 0.7;

/** Pixels that a text takes at a font size, rather too many. */
const widthOf = (text: string, size: number) =>
  [...text].reduce((sum, letter) => sum + size * emWidth(letter), 0);

// From so many classes on, zeros are left out of the picture, and most cells out of the words.
const MANY = 11;

/**
 * Charts a confusion matrix: each cell shows its count, shaded by its share of the true label's
 * rows. The chart is 480 by 420 pixels, or larger where labels and counts need it. On the axes, a
 * label of more than 30 characters has "…" in its middle. From 11 classes on, zeros are blank, and
 * `alt` says for each label how many rows are right and what they are most often taken for.
 *
 * @param matrix Counts by true label (rows) and predicted label (columns), [C, C].
 * @param labels The labels' names, [C].
 * @param title The chart's title.
 * @throws {RangeError} When there are not as many labels as rows, or as columns.
 *
 * @example
 * ```ts
 * import { confusionChart, showChart } from "lightweight-finetuning/display";
 * await showChart(confusionChart([[90, 10], [5, 95]], ["World", "Sports"], "LoRA"));
 * ```
 */
export function confusionChart(matrix: number[][], labels: string[], title: string): Chart {
  if ([matrix, ...matrix].some(({ length }) => length !== labels.length)) {
    throw new RangeError(
      `Cannot chart the matrix as 'labels' must have one name for each row (${matrix.length}) and column: ` +
        `current value is ${labels}`,
    );
  }
  const totals = matrix.map((row) => row.reduce((sum, count) => sum + count, 0));
  const numbers = [...labels.keys()];
  const shares = matrix.map((row, i) => row.map((count) => count / (totals[i] || 1)));
  const many = labels.length >= MANY;

  const size = labels.length > 30 ? 11 : 13;
  const names = labels.map(tick);
  const longest = Math.max(0, ...names.map((name) => widthOf(name, size)));
  const largest = Math.max(0, ...matrix.map((row) => Math.max(...row)));
  const width = Math.max(355, labels.length * (widthOf(String(largest), size) + 10));
  const height = Math.max(300, labels.length * 1.9 * size);
  const slanted = longest > width / labels.length - 8;
  const axis = { ...named(names), tickfont: { size } };
  return {
    data: [{
      type: "heatmap",
      x: numbers,
      y: numbers,
      z: shares,
      text: matrix.map((row, i) =>
        row.map((count, j) => {
          if (many && count === 0) return "";
          // On the blue of 75% white has a contrast of 3.4, on lighter ones black has more than 6.
          return `<span style="color:${shares[i]![j]! < 0.75 ? "black" : "white"}">${count}</span>`;
        })
      ),
      texttemplate: "%{text}",
      textfont: { size },
      hovertext: matrix.map((row, i) =>
        row.map((count, j) =>
          `true ${plain(labels[i]!)}, predicted ${plain(labels[j]!)}<br>` +
          `${count} rows, ${(100 * shares[i]![j]!).toFixed(1)}% of the label`
        )
      ),
      hoverinfo: "text",
      colorscale: [[0, "#F2F6FA"], [1, colours[0]]],
      zmin: 0,
      zmax: 1,
      showscale: false,
      xgap: many ? 1 : 2,
      ygap: many ? 1 : 2,
    }],
    layout: layout(title, {
      xaxis: { ...axis, title: axisTitle("Predicted"), tickangle: slanted ? -45 : 0 },
      yaxis: { ...axis, title: axisTitle("True"), autorange: "reversed" },
      width: Math.round(125 + Math.max(0, longest - 70) + width),
      height: Math.round(120 + (slanted ? longest * Math.SQRT1_2 : 0) + height),
    }),
    alt: `${visible(title)}, ${
      many ? mostConfused(matrix, totals, labels) : allCounts(matrix, labels)
    }`,
  };
}

const allCounts = (matrix: number[][], labels: string[]) =>
  `rows by true label, predicted as ${labels.map(visible).join(", ")}: ${
    labels.map((label, i) => `${visible(label)} ${matrix[i]!.join(" ")}`).join("; ")
  }`;

function mostConfused(matrix: number[][], totals: number[], labels: string[]): string {
  const lines = labels.map((label, i) => {
    const others = matrix[i]!.with(i, 0);
    const most = Math.max(...others);
    const confused = most > 0 ? `, ${most} as ${visible(labels[others.indexOf(most)]!)}` : "";
    return `${visible(label)} ${matrix[i]![i]} of ${totals[i]}${confused}`;
  });
  return `right rows by true label, and the most frequent error: ${lines.join("; ")}`;
}
