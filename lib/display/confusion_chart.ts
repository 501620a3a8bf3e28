import { visible } from "../text.ts";
import { axisTitle, type Chart, layout, named, palette, plain } from "./figure.ts";

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
      colorscale: [[0, "#F2F6FA"], [1, palette[0]]],
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
