import { visible } from "../text.ts";
import type { HistoryRecord } from "../train/events.ts";
import { axisTitle, type Chart, colours, gridline, layout, plain } from "./figure.ts";

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
