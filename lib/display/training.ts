import type { HistoryRecord, TrainerEvent, TrainerListener, TrainResult } from "../train/events.ts";
import { AVERAGES, RESERVED } from "../train/metrics.ts";
import { visible } from "../text.ts";
import { type Grid, gridHtml, gridText } from "./grid.ts";
import { type MimeBundle, openLiveOutput, type Redraw } from "./output.ts";
import { progressBar } from "./progress.ts";

/** So many of the last records are shown: each redraws the table. */
const SHOWN = 100;

/**
 * Shows the progress of a training run as Hugging Face's Trainer does in a notebook: a bar with the
 * time left, a table of the losses, of the last 100 records if there are more, and, at the end, the
 * run's results. Of the averages over classes the table has the one that is the
 * `metricForBestModel`. Outside Jupyter, prints a line for each record.
 *
 * @returns A listener for a Trainer.
 *
 * @example
 * ```ts ignore
 * import { type Examples, showTraining, type TextModel, Trainer } from "lightweight-finetuning";
 * async function train(model: TextModel, trainDataset: Examples, evalDataset: Examples) {
 *   const listeners = [showTraining()];
 *   return await new Trainer(model, { trainDataset, evalDataset, listeners }).train();
 * }
 * ```
 */
export function showTraining(): TrainerListener {
  let run = newRun();
  let redraw: Redraw | undefined;
  return async (event) => {
    if (event.type === "begin") {
      run = newRun();
      for (const record of event.history ?? []) add(run, record);
      redraw = openLiveOutput();
    }
    if (event.type === "record") add(run, event.record);
    delete run.evaluate;
    Object.assign(run, { [event.type]: event });
    if (redraw) {
      await redraw(() => draw(run), event.type !== "step" && event.type !== "evaluate");
    } else if (event.type === "record") {
      console.log(recordLine(event.record, run.begin));
    } else if (event.type === "end") {
      console.log(gridText(figures(event.result)));
    }
  };
}

/** The last event of each type, and the records. */
type Run = { [T in TrainerEvent["type"]]?: Extract<TrainerEvent, { type: T }> } & {
  /** How many there are. */
  count: number;
  /** The last ones. */
  records: HistoryRecord[];
  /** The names of their figures, also of those that are not shown. */
  names: Set<string>;
  /** The last training loss before those. */
  before: string;
};

const newRun = (): Run => ({ count: 0, records: [], names: new Set(), before: "No log" });

function add(run: Run, record: HistoryRecord) {
  run.count++;
  run.records.push(record);
  for (const name of Object.keys(record)) run.names.add(name);
  if (run.records.length > SHOWN) run.before = run.records.shift()!.loss?.toFixed(6) ?? run.before;
}

function draw(run: Run): MimeBundle {
  const { evaluate, end } = run;
  const { step = end?.result.step ?? 0, totalSteps = run.begin?.totalSteps ?? 0 } = run.step ?? {};
  const bars = [{ value: step, max: totalSteps, label: position(run, step, totalSteps) }];
  if (evaluate) {
    const { batch, batches } = evaluate;
    bars.push({ value: batch, max: batches, label: `[ ${batch}/${batches} ] evaluation` });
  }
  const grids = [lossGrid(run), ...(end ? [figures(end.result)] : [])];
  return {
    "text/html": [
      ...bars.map(({ value, max, label }) => progressBar(value, max, label)),
      ...grids.map(gridHtml),
    ].join("\n"),
    "text/plain": [...bars.map(({ label }) => label), ...grids.map(gridText)].join("\n\n"),
  };
}

/** `[ 120/500 02:11 < 06:55, 0.92 it/s, Epoch 0.24/1 ]`: time elapsed and left, and the rate. */
function position({ begin, step: last, end }: Run, step: number, total: number) {
  const seconds = end?.result.trainRuntime ?? last?.seconds ?? 0;
  const rate = seconds > 0 ? step / seconds : 0;
  const times = `${clock(seconds)} < ${rate > 0 ? clock((total - step) / rate) : "?"}`;
  const epochs = `Epoch ${short(last?.epoch ?? end?.result.epoch ?? 0)}/${begin?.epochs}`;
  const line = `[ ${step}/${total} ${times}, ${rate.toFixed(2)} it/s, ${epochs} ]`;
  if (end && !last) return `${line} finished before: load the model again to train it anew`;
  if (!end || step === total) return line;
  return `${line} ${end.result.stopped ? "stopped" : "ended early"}`;
}

function lossGrid({ count, records, names, before, begin }: Run): Grid {
  const metrics = ["evalLoss", "accuracy", ...furtherMetrics(names, begin)];
  let training = before;
  const cells = records.map((record) => {
    training = record.loss?.toFixed(6) ?? training;
    return [
      String(record.step),
      training,
      ...metrics.map((name) => record[name]?.toFixed(6) ?? ""),
    ];
  });
  const titles = metrics.map((name) => name === "evalLoss" ? "Validation Loss" : title(name));
  const columns = ["Step", "Training Loss", ...titles];
  const hidden = count > records.length && { title: `The last ${SHOWN} of ${count} records` };
  return { ...hidden, columns, cells, right: new Set(columns.keys()) };
}

/** Names of the metrics that `computeMetrics` returned, and of the average that decides the best model. */
function furtherMetrics(names: Iterable<string>, begin: Run["begin"]): string[] {
  const deciding = begin?.metricForBestModel?.replace(/^eval_/, "");
  const hidden = ["accuracy", ...RESERVED, ...AVERAGES.filter((name) => name !== deciding)];
  return [...names].filter((name) => !hidden.includes(name));
}

/** A metric's name as Trainer shows it: "macro_f1" and "macroF1" are "Macro F1". */
function title(name: string): string {
  const words = name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").split("_");
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(" ");
}

/** A run's results with the names and decimals that Trainer prints. */
function figures(result: TrainResult): Grid {
  const cells = [
    ["train_runtime", result.trainRuntime.toFixed(4)],
    ["train_samples_per_second", result.trainSamplesPerSecond.toFixed(3)],
    ["train_steps_per_second", result.trainStepsPerSecond.toFixed(3)],
    ["total_flos", String(result.totalFlos)],
    ["train_loss", result.trainLoss.toFixed(6)],
    ["epoch", short(result.epoch)],
  ];
  return { columns: ["Figure", "Value"], cells, right: new Set([1]) };
}

function recordLine(record: HistoryRecord, begin: Run["begin"]): string {
  const names = ["loss", "evalLoss", "accuracy", ...furtherMetrics(Object.keys(record), begin)];
  const known = names.filter((name) => record[name] !== undefined);
  const figures = known.map((name) =>
    `${name === "evalLoss" ? "eval_loss" : visible(name)} ${record[name]!.toFixed(6)}`
  );
  return [`step ${record.step}`, ...figures].join("  ");
}

function short(value: number): string {
  return String(Number(value.toFixed(2)));
}

function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [
    Math.floor(whole / 3600),
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  const pad = (value: number) => String(value).padStart(2, "0");
  return `${hours > 0 ? `${hours}:` : ""}${pad(minutes)}:${pad(rest)}`;
}
