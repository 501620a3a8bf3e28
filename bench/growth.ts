/**
 * How time and memory grow with the rows of a data set, with the length of a batch and with its size: `make growth`, or
 *
 *     deno run -A bench/growth.ts [--only rows|length|batch|estimate] [--smoke] [--picture FILE]
 *
 * Prints tables and writes runs/growth.{json,md,png,html}; with --only or --smoke runs/growth-partial.*; the picture
 * also to a file of its own. With --only estimate: the first 200 steps of the profile `seed` on this machine, half an
 * hour on two cores, beside what `make run` says before it goes on.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { runFolder } from "course";
import { openDevice } from "lightweight-finetuning";
import { type Chart, palette } from "lightweight-finetuning/display";
import { isFile } from "../lib/files.ts";
import { type Grid, gridText } from "../lib/display/grid.ts";
import { writeChart } from "./chart.ts";
import { prepare, ROOT } from "./prepare.ts";
import { folderOf, type Measure, writeRows } from "./stages.ts";

interface Work extends Measure {
  /** How much there was to do: rows, or GFLOP. */
  work: number;
}

/** A number of rows, tokens or rows of a batch, and what it took. */
export interface Point extends Work {
  x: number;
}

/** A line of a table and of the picture. */
export interface Series {
  name: string;
  points: Point[];
}

/** Lines over the same x. */
export interface Group {
  title: string;
  /** What x counts. */
  axis: string;
  /** Of the work. */
  unit: "row" | "GFLOP";
  series: Series[];
}

/** Above this a time or a peak grows faster than its work: the exponent over the last decade, noise included. */
const LIMIT = 1.1;

/** Shorter times are those of the clock and the compiler. */
const SHORTEST = 0.01;

/**
 * The exponent by which a measure grows with the work, over the last decade of x, or what is closest to one.
 *
 * @returns NaN where there is but one point.
 */
export function exponent({ points }: Series, key: keyof Measure): number {
  const last = points.at(-1)!;
  const distance = ({ x }: Point) => Math.abs(Math.log10(last.x / x) - 1);
  const [first] = points.slice(0, -1).toSorted((a, b) => distance(a) - distance(b));
  if (!first) return NaN;
  const least = key === "seconds" ? SHORTEST : 0;
  const ratio = Math.max(last[key], least) / Math.max(first[key], least);
  return Math.log(ratio) / Math.log(last.work / first.work);
}

/** Says which lines grow faster than their work. */
export function verdict({ series }: Group): string {
  const found = (["seconds", "peakMemory"] as const).flatMap((key) =>
    series.map((one) => ({ key, name: one.name, power: exponent(one, key) }))
      .filter(({ power }) => power > LIMIT)
      .map(({ name, power }) =>
        `${key === "seconds" ? "the time" : "the memory"} of ${name} (work to the power of ${
          power.toFixed(2)
        })`
      )
  );
  return found.length > 0
    ? `Faster than its work grew ${found.join(", ")}.`
    : "Nothing grew faster than its work.";
}

const significant = (value: number) =>
  value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));

/** Seconds in the unit that suits them. */
export function time(seconds: number): string {
  const [scale, unit] = seconds >= 1
    ? [1, "s"]
    : seconds >= 1e-3
    ? [1e3, "ms"]
    : seconds >= 1e-6
    ? [1e6, "µs"]
    : [1e9, "ns"];
  return `${significant(seconds * scale)} ${unit}`;
}

/** Times and peaks by x, what a unit of the work took at the last, and the exponents. */
function grids({ title, axis, unit, series }: Group): Grid[] {
  const relative = ({ seconds, work }: Point) =>
    unit === "row" ? time(seconds / work) : `${significant(work / seconds)} GFLOP/s`;
  const grid = (
    what: string,
    key: keyof Measure,
    more: string[],
    cells: (s: Series) => string[],
  ) => {
    const columns = [
      `${what}, by ${axis}`,
      ...series[0]!.points.map(({ x }) => x.toLocaleString("en")),
      ...more,
      "exponent",
    ];
    return {
      title,
      columns,
      cells: series.map((one) => [one.name, ...cells(one), exponent(one, key).toFixed(2)]),
      right: new Set(columns.keys().drop(1)),
    };
  };
  const isSteps = unit === "GFLOP";
  return [
    grid("time", "seconds", isSteps ? [] : ["a row"], ({ points }) => [
      ...points.map((point) => time(point.seconds) + (isSteps ? `, ${relative(point)}` : "")),
      ...isSteps ? [] : [relative(points.at(-1)!)],
    ]),
    grid(
      "MB",
      "peakMemory",
      [],
      ({ points }) => points.map(({ peakMemory }) => (peakMemory / 1e6).toFixed(0)),
    ),
  ];
}

/** A grid as a table of Markdown. */
export function markdown({ columns, cells, right }: Grid): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  return [columns, columns.map((_, i) => right.has(i) ? "--:" : "---"), ...cells].map(line)
    .join("\n");
}

const [WIDTH, HEIGHT, LEGEND] = [400, 300, 150];
const TICKS = Array.from({ length: 12 }, (_, i) => [1, 2, 5].map((x) => x * 10 ** (i - 5))).flat();

/** Above the time relative to the work, which is level or falls where nothing grows faster; below the peak of memory. */
export function growthChart(groups: Group[], machine: string): Chart {
  const data: Chart["data"] = [];
  const axes: Record<string, unknown> = {};
  const annotations: Record<string, unknown>[] = [];
  const height = 2 * HEIGHT + LEGEND;
  groups.forEach(({ title, axis, unit, series }, column) => {
    const gap = 0.25 / groups.length;
    const domain = [column / groups.length + gap, (column + 1) / groups.length - gap / 4];
    const panels = [
      {
        title: unit === "row" ? "µs a row" : "ms a GFLOP",
        of: ({ seconds, work }: Point) => seconds / work * (unit === "row" ? 1e6 : 1e3),
        domain: [(HEIGHT + LEGEND + 30) / height, 1],
      },
      {
        title: "Peak, MB",
        of: ({ peakMemory }: Point) => peakMemory / 1e6,
        domain: [LEGEND / height, (HEIGHT + LEGEND - 60) / height],
      },
    ];
    panels.forEach((panel, row) => {
      const n = String(2 * column + row + 1).replace(/^1$/, "");
      axes[`xaxis${n}`] = {
        ...{ type: "log", dtick: 1, gridcolor: "#E5E5E5", domain, anchor: `y${n}` },
        title: { text: row ? axis : "" },
        tickvals: series[0]!.points.map(({ x }) => x),
      };
      axes[`yaxis${n}`] = {
        ...{ gridcolor: "#E5E5E5", domain: panel.domain, anchor: `x${n}` },
        title: { text: panel.title },
        ...unit === "row" ? { type: "log", tickvals: TICKS } : { rangemode: "tozero" },
      };
      series.forEach(({ name, points }, i) =>
        data.push({
          ...{ type: "scatter", mode: "lines+markers", name, xaxis: `x${n}`, yaxis: `y${n}` },
          ...{ x: points.map(({ x }) => x), y: points.map(panel.of) },
          ...{
            line: { color: palette[i % palette.length], dash: i < palette.length ? "" : "dot" },
          },
          ...{ legendgroup: `${column} ${i}`, showlegend: !row },
          legend: column ? `legend${column + 1}` : "legend",
        })
      );
    });
    annotations.push({
      ...{ xref: "paper", yref: "paper", showarrow: false, text: title, font: { size: 14 } },
      ...{ x: domain[0], xanchor: "left", y: 1, yanchor: "bottom", yshift: 6 },
    });
    axes[`legend${column ? column + 1 : ""}`] = {
      ...{ x: domain[0], y: (LEGEND - 60) / height, yanchor: "top", orientation: "v" },
      ...{ font: { size: 11 }, tracegroupgap: 0 },
    };
  });
  return {
    data,
    layout: {
      title: { text: machine, x: 0, xanchor: "left", pad: { l: 12 }, font: { size: 12 } },
      font: { family: "Open Sans, Helvetica, Arial, sans-serif", size: 12, color: "#333333" },
      ...{ ...axes, annotations },
      margin: { l: 10, r: 20, t: 60, b: 10 },
      ...{ width: WIDTH * groups.length, height: height + 70 },
    },
  };
}

const SIZES = {
  whole: {
    rows: [1000, 10_000, 100_000, 1_000_000],
    length: [16, 32, 64, 128, 256, 512],
    batch: [1, 2, 4, 8, 16, 32, 64],
    ...{ warmUp: 2, steps: 7 },
  },
  smoke: { rows: [40, 400], length: [8, 16], batch: [1, 2], warmUp: 1, steps: 1 },
};

/** The stages in their order, as one writes what the next opens: name, function and options. */
const DATA: [name: string, stage: string, options?: object][] = [
  ["loadDataset", "load"],
  ["splitting alone", "split"],
  ["tokenize", "tokenize"],
  ["saveDataset of the tokens", "save"],
  ["openDataset", "open"],
  ["examples", "toExamples"],
];
const RUN: typeof DATA = [
  ["hash of the rows", "fingerprint"],
  ["an epoch's batches, random", "sample", { trainSamplingStrategy: "random" }],
  ["…, rows of like length", "sample", { trainSamplingStrategy: "group_by_length" }],
  ["history.json of a record a step", "history"],
  ["the notebook's table of them", "progress"],
  ["ten checkpoints of them", "checkpoint"],
  ["charts of the history", "report"],
];
const WAYS = { LoRA: "lora", full: "full" };

async function main() {
  const { values: args } = parseArgs({
    options: {
      only: { type: "string", default: "" }, // rows, length, batch or estimate
      smoke: { type: "boolean", default: false }, // so little that it shows only that it runs
      picture: { type: "string", default: "" }, // where to draw the picture too
    },
  });
  if (!["", "rows", "length", "batch", "estimate"].includes(args.only)) {
    throw new RangeError(
      `Cannot measure as '--only' must be rows, length, batch or estimate: current value is ${args.only}`,
    );
  }
  const size = args.smoke ? SIZES.smoke : SIZES.whole;
  const path = runFolder(`growth${args.smoke || args.only ? "-partial" : ""}`);
  const machine = String(await openDevice());
  if (args.only === "estimate") return await compareEstimate(args.smoke ? 5 : 200);
  const groups: Group[] = [];
  const asked = (name: string) => !args.only || args.only === name;

  if (asked("rows")) {
    for (const rows of size.rows) {
      if (!await isFile(`${folderOf(rows)}/rows.csv`)) await writeRows(rows);
    }
    for (
      const [title, stages] of [["From the file to examples", DATA], [
        "A run of one epoch",
        RUN,
      ]] as const
    ) {
      const series = stages.map(([name]): Series => ({ name, points: [] }));
      for (const rows of size.rows) {
        for (const [i, [, stage, options]] of stages.entries()) {
          const measured = await measure(stage, { rows, ...options });
          series[i]!.points.push({ x: rows, work: rows, ...measured });
        }
      }
      groups.push({ title, axis: "rows", unit: "row", series });
    }
  }
  const { warmUp, steps } = size;
  for (const axis of ["length", "batch"] as const) {
    if (!asked(axis)) continue;
    const series: Series[] = [];
    for (const [name, way] of Object.entries(WAYS)) {
      const points: Point[] = [];
      for (const x of size[axis]) {
        const batch = axis === "length" ? { size: 16, length: x } : { size: x, length: 64 };
        points.push({ x, ...await measure<Work>("steps", { way, ...batch, warmUp, steps }) });
      }
      series.push({ name: `${name} step`, points });
    }
    groups.push({
      title: axis === "length" ? "A step of MiniLM, 16 rows" : "A step of MiniLM, 64 tokens a row",
      axis: axis === "length" ? "tokens" : "rows a batch",
      unit: "GFLOP",
      series,
    });
  }

  await Deno.writeTextFile(`${path}.json`, JSON.stringify({ machine, groups }, null, 2) + "\n");
  const shown = groups.map((group) => ({ grids: grids(group), said: verdict(group) }));
  await Deno.writeTextFile(
    `${path}.md`,
    shown.map(({ grids, said }) => [...grids.map(markdown), said].join("\n\n")).join("\n\n") + "\n",
  );
  for (const { grids, said } of shown) {
    console.log(`\n${grids.map(gridText).join("\n\n")}\n\n${said}`);
  }
  await writeChart(growthChart(groups, machine), path);
  if (args.picture) await Deno.copyFile(`${path}.png`, args.picture);
  console.log(`\n${path}.{json,md,png,html}`);
}

async function compareEstimate(steps: number) {
  await prepare();
  const cells: string[][] = [];
  for (const [name, way] of Object.entries(WAYS)) {
    const { seconds, estimate } = await measure<Measure & { estimate: number }>("estimated", {
      ...{ way, steps },
    });
    cells.push([name, time(seconds), time(estimate), (estimate / seconds).toFixed(2)]);
  }
  const columns = [`steps 2 to ${steps} of RoBERTa-base`, "measured", "estimate", "ratio"];
  console.log(`\n${markdown({ columns, cells, right: new Set([1, 2, 3]) })}

AG News with the settings of the profile \`seed\`: 16 rows a step, in random order. Measured is the time from
the end of the first step to that of the last; the estimate is for these very steps, by their padded
tokens, from three other steps that were measured before.`);
}

async function measure<M extends Measure>(stage: string, options: object): Promise<M> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${ROOT}bench/stages.ts`, stage, JSON.stringify(options)],
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  if (!success) {
    throw new Error(`${stage} ${JSON.stringify(options)} failed: ${text.decode(stderr)}`);
  }
  const measured = JSON.parse(text.decode(stdout).trimEnd().split("\n").at(-1)!);
  console.log(`${stage} ${JSON.stringify(options)}: ${JSON.stringify(measured)}`);
  return measured;
}

if (import.meta.main) await main();
