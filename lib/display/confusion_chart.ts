import { visible } from "../text.ts";
import { axisTitle, type Chart, layout, named, note, palette, plain } from "./figure.ts";

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
  return panels([[title, matrix]], labels);
}

/**
 * Charts several confusion matrices as {@link confusionChart} does one: side by side where 900 pixels are enough, else
 * one below the other.
 *
 * @param matrices Counts by true label (rows) and predicted label (columns), [C, C], by each matrix's title.
 * @param labels The labels' names, [C].
 * @throws {RangeError} When there are not as many labels as rows, or as columns.
 *
 * @example
 * ```ts
 * import { confusionCharts, showChart } from "lightweight-finetuning/display";
 * const matrices = { untouched: [[50, 50], [50, 50]], LoRA: [[90, 10], [5, 95]] };
 * await showChart(confusionCharts(matrices, ["World", "Sports"]));
 * ```
 */
export function confusionCharts(matrices: Record<string, number[][]>, labels: string[]): Chart {
  return panels(Object.entries(matrices), labels);
}

const GAP = 30; // pixels, for the panels' titles

function panels(matrices: [title: string, matrix: number[][]][], labels: string[]): Chart {
  for (const [, matrix] of matrices) checkSize(matrix, labels);
  const several = matrices.length > 1;
  const size = labels.length > 30 ? 11 : 13;
  const names = labels.map(tick);
  const longest = Math.max(0, ...names.map((name) => widthOf(name, size)));
  const largest = Math.max(
    0,
    ...matrices.flatMap(([, matrix]) => matrix.map((row) => Math.max(...row))),
  );
  const width = Math.max(
    several ? 225 : 355,
    labels.length * (widthOf(String(largest), size) + 10),
  );
  const height = Math.max(several ? 225 : 300, labels.length * 1.9 * size);
  const slanted = longest > width / labels.length - 8;
  const margin = Math.max(125, 55 + longest);
  const columns = margin + matrices.length * (width + GAP) <= 900 ? matrices.length : 1;
  const rows = Math.ceil(matrices.length / columns);

  const axis = { ...named(names), tickfont: { size } };
  const axes = matrices.flatMap((_, i) => {
    const key = i === 0 ? "" : i + 1;
    const [isFirst, isLowest] = [i % columns === 0, i + columns >= matrices.length];
    const x = { ...axis, title: axisTitle("Predicted"), tickangle: slanted ? -45 : 0 };
    const y = { ...axis, ...isFirst && { title: axisTitle("True") }, autorange: "reversed" };
    return [
      [`xaxis${key}`, isLowest ? x : { ...axis, showticklabels: false }],
      [`yaxis${key}`, isFirst ? y : { ...y, showticklabels: false }],
    ];
  });
  const [first] = matrices;
  const plotWidth = columns * (width + GAP) - GAP;
  const plotHeight = rows * (height + GAP) - GAP;
  return {
    data: matrices.map(([, matrix], i) => ({
      ...heatmap(matrix, labels, size),
      ...{ xaxis: `x${i + 1}`, yaxis: `y${i + 1}` },
    })),
    layout: layout(several ? "Rows by true and predicted class" : first![0], {
      ...Object.fromEntries(axes),
      ...several && {
        grid: {
          ...{ rows, columns, pattern: "independent" },
          ...{ xgap: GAP / (width + GAP), ygap: GAP / (height + GAP) },
        },
        annotations: matrices.map(([title], i) => ({
          ...note(title),
          ...{ xref: `x${i + 1} domain`, yref: `y${i + 1} domain`, font: { size: 14 } },
        })),
        margin: { l: 60, r: 30, t: 60 + GAP, b: 55 },
      },
      width: Math.round(margin + plotWidth),
      height: Math.round(
        120 + (several ? GAP : 0) + (slanted ? longest * Math.SQRT1_2 : 0) + plotHeight,
      ),
    }),
    alt: matrices.map(([title, matrix]) => inWords(title, matrix, labels)).join(". "),
  };
}

function checkSize(matrix: number[][], labels: string[]) {
  if ([matrix, ...matrix].some(({ length }) => length !== labels.length)) {
    throw new RangeError(
      `Cannot chart the matrix as 'labels' must have one name for each row (${matrix.length}) and column: ` +
        `current value is ${labels}`,
    );
  }
}

const totalsOf = (matrix: number[][]) =>
  matrix.map((row) => row.reduce((sum, count) => sum + count, 0));

function heatmap(matrix: number[][], labels: string[], size: number) {
  const totals = totalsOf(matrix);
  const numbers = [...labels.keys()];
  const shares = matrix.map((row, i) => row.map((count) => count / (totals[i] || 1)));
  const many = labels.length >= MANY;
  return {
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
  };
}

const inWords = (title: string, matrix: number[][], labels: string[]) =>
  `${visible(title)}, ${
    labels.length >= MANY ? mostConfused(matrix, labels) : allCounts(matrix, labels)
  }`;

const allCounts = (matrix: number[][], labels: string[]) =>
  `rows by true label, predicted as ${labels.map(visible).join(", ")}: ${
    labels.map((label, i) => `${visible(label)} ${matrix[i]!.join(" ")}`).join("; ")
  }`;

function mostConfused(matrix: number[][], labels: string[]): string {
  const totals = totalsOf(matrix);
  const lines = labels.map((label, i) => {
    const others = matrix[i]!.with(i, 0);
    const most = Math.max(...others);
    const confused = most > 0 ? `, ${most} as ${visible(labels[others.indexOf(most)]!)}` : "";
    return `${visible(label)} ${matrix[i]![i]} of ${totals[i]}${confused}`;
  });
  return `right rows by true label, and the most frequent error: ${lines.join("; ")}`;
}
