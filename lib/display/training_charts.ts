import { visible } from "../text.ts";
import type { HistoryRecord } from "../train/events.ts";
import {
  axisTitle,
  type Chart,
  type Colours,
  gridline,
  layout,
  legendBelow,
  look,
  note,
  plain,
} from "./figure.ts";

const step = { ...gridline, title: axisTitle("Step"), rangemode: "tozero" };

/** The records that have a figure, as points. */
function pointsOf(history: HistoryRecord[], key: "loss" | "evalLoss") {
  const points = history.filter((record) => record[key] !== undefined);
  return { x: points.map(({ step }) => step), y: points.map((record) => record[key]!) };
}

const reachOf = (values: number[]) => Math.floor(values.length / 20);

/** At the ends a mean is over fewer numbers, as many on either side, so that it does not leave a steep curve. */
function runningMean(values: number[]): number[] {
  const reach = reachOf(values);
  const sums = [0];
  for (const value of values) sums.push(sums.at(-1)! + value);
  return values.map((value, i) => {
    const here = Math.min(reach, i, values.length - 1 - i);
    return here ? (sums[i + here + 1]! - sums[i - here]!) / (2 * here + 1) : value;
  });
}

/**
 * Charts the losses of one or more runs by step. The training loss is bold; with 20 records or more it is the running mean of
 * each record and a twentieth of all before and after it, fewer at the ends, and a thin, light line has the loss as
 * recorded. The validation loss is dotted, with a marker for each evaluation. A record of step 0 is drawn at 0.
 *
 * @param runs The history of each run, by the run's name.
 * @param colours Colours of some runs, by name.
 *
 * @example
 * ```ts
 * import { lossChart, palette, showChart } from "lightweight-finetuning/display";
 * const record = { epoch: 0.5, learningRate: 1e-4, gradNorm: 1 };
 * const history = [{ step: 1, loss: 1.4, ...record }, { step: 2, loss: 1.1, ...record }];
 * await showChart(lossChart({ LoRA: history }, { LoRA: palette[1]! }));
 * ```
 */
export function lossChart(runs: Record<string, HistoryRecord[]>, colours: Colours = {}): Chart {
  const lines = Object.entries(runs).flatMap(([run, history], i) => {
    const { colour, marker } = look(run, i, colours);
    const [training, validation] = [pointsOf(history, "loss"), pointsOf(history, "evalLoss")];
    const smooth = reachOf(training.y) > 0;
    const recorded = {
      ...{ ...training, name: `${run}, training as recorded`, mode: "lines", opacity: 0.4 },
      ...{ line: { color: colour, width: 1 }, showlegend: false, hoverinfo: "skip" },
    };
    return [...smooth ? [recorded] : [], {
      ...{ ...training, y: runningMean(training.y), name: `${run}, training`, mode: "lines" },
      line: { color: colour, width: 2.5 },
    }, {
      ...{ ...validation, name: `${run}, validation`, mode: "lines+markers", marker },
      line: { color: colour, dash: "dot", width: 2 },
    }].filter(({ y }) => y.length);
  });
  const smoothed = lines.some((line) => "opacity" in line);
  // In words the ends are those recorded.
  const ends = Object.entries(runs).flatMap(([run, history]) =>
    (["loss", "evalLoss"] as const).flatMap((key) => {
      const { y } = pointsOf(history, key);
      const name = `${visible(run)}, ${key === "loss" ? "training" : "validation"}`;
      return y.length ? [`${name} ${y[0]!.toFixed(4)} to ${y.at(-1)!.toFixed(4)}`] : [];
    })
  );
  return {
    data: lines.map((line) => ({ type: "scatter", ...line, name: plain(line.name) })),
    layout: layout("Training and validation loss", {
      xaxis: step,
      yaxis: { ...gridline, title: axisTitle("Loss (nats)"), rangemode: "tozero" },
      ...legendBelow,
      height: 420 + 20 * Object.keys(runs).length,
      ...smoothed && { annotations: [note("Thin: as recorded; bold: running mean")] },
    }),
    alt: `Loss by step: ${ends.join("; ")}`,
  };
}

/**
 * Charts the learning rates of one or more runs by step, above the norms of their gradients before clipping. The rates'
 * axis is logarithmic where the runs' highest rates are more than fivefold apart.
 *
 * @param runs The history of each run, by the run's name; records of step 0 are left out, as nothing was learned there.
 * @param colours Colours of some runs, by name.
 *
 * @example
 * ```ts
 * import { learningRateChart, showChart } from "lightweight-finetuning/display";
 * const history = [{ step: 1, epoch: 0.5, loss: 1.4, learningRate: 1e-4, gradNorm: 2 }];
 * await showChart(learningRateChart({ LoRA: history }));
 * ```
 */
export function learningRateChart(
  runs: Record<string, HistoryRecord[]>,
  colours: Colours = {},
): Chart {
  const trained = Object.entries(runs).map(([run, history]) => ({
    run,
    records: history.filter(({ step }) => step > 0),
  }));
  const panels = [
    { key: "learningRate", yaxis: "y", width: 2.5 },
    { key: "gradNorm", yaxis: "y2", width: 1.5 },
  ] as const;
  const peakOf = (records: HistoryRecord[]) =>
    records.reduce((peak, { learningRate }) => Math.max(peak, learningRate), 0);
  const peaks = trained.filter(({ records }) => records.length).map(({ records }) =>
    peakOf(records)
  );
  const [least, most] = [Math.min(...peaks), Math.max(...peaks)];
  const log = least > 0 && most > 5 * least;
  const words = trained.filter(({ records }) => records.length).map(({ run, records }) => {
    const [first, last] = [records[0]!, records.at(-1)!];
    return `${visible(run)} ${brief(first.learningRate)} to ${brief(last.learningRate)}, at most ${
      brief(peakOf(records))
    }, norm of the gradients ${brief(first.gradNorm)} to ${brief(last.gradNorm)}`;
  });
  return {
    data: panels.flatMap(({ key, yaxis, width }) =>
      trained.map(({ run, records }, i) => ({
        ...{ type: "scatter", mode: "lines", name: plain(run), xaxis: "x", yaxis },
        x: records.map(({ step }) => step),
        y: records.map((record) => record[key]),
        line: { color: look(run, i, colours).colour, width },
        legendgroup: String(i),
        showlegend: key === "learningRate",
      }))
    ),
    layout: layout("Learning rate, and norm of the gradients", {
      xaxis: { ...step, anchor: "y2" },
      yaxis: {
        ...{
          ...gridline,
          title: axisTitle(log ? "Learning rate (log)" : "Learning rate"),
          domain: [0.56, 1],
        },
        ...{ exponentformat: "e", rangemode: "tozero" },
        // A rate that falls to 0 has no end on a logarithmic axis.
        ...log &&
          { type: "log", dtick: 1, range: [Math.log10(least) - 1.2, Math.log10(most) + 0.1] },
      },
      yaxis2: {
        ...{ ...gridline, title: axisTitle("Gradient norm"), domain: [0, 0.44] },
        rangemode: "tozero",
      },
      ...legendBelow,
      height: 500,
    }),
    alt: `Learning rate by step: ${words.join("; ")}`,
  };
}

const brief = (value: number) => String(Number(value.toPrecision(3)));
