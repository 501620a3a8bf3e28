import { visible } from "../text.ts";
import { type Chart, colours, gridline, ink, layout, named, plain } from "./figure.ts";

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
