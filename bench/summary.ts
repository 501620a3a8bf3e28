import { gridText } from "../lib/display/grid.ts";
import type { Line } from "./lines.ts";

/** One line of bench.json; its numbers are medians over the rounds. */
export interface Result {
  what: string;
  /** Null, as the next two, where the line was skipped. */
  ours: number | null;
  /** Python's number, or that of whom `what` names. */
  python: number | null;
  /** ours : python; for times the other way round, so that more is faster. */
  ratio: number | null;
  unit: string;
  rounds: number;
  machine: string;
  target?: Line["target"];
  short?: Line["short"];
  /** The lowest and the highest ratio of a round. */
  range?: [low: number, high: number];
  /** Why there are no numbers. */
  skipped?: string;
}

/** The middle value, or the mean of the two in the middle. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Sums up a line.
 *
 * @param pairs Our number and the other's, one pair a round.
 * @param skipped Why there are none.
 */
export function summarise(
  { what, unit, target, short }: Line,
  pairs: [ours: number, other: number][],
  machine: string,
  skipped = "",
): Result {
  const more = { ...(target && { target }), ...(short && { short }) };
  const line = { what, unit, rounds: pairs.length, machine, ...more };
  if (!pairs.length) return { ...line, ours: null, python: null, ratio: null, skipped };
  const ratio = (ours: number, other: number) => unit === "s" ? other / ours : ours / other;
  const ours = median(pairs.map(([ours]) => ours));
  const python = median(pairs.map(([, other]) => other));
  const ratios = pairs.map((pair) => ratio(...pair));
  const range: Result["range"] = [Math.min(...ratios), Math.max(...ratios)];
  return { ...line, ours, python, ratio: ratio(ours, python), range };
}

/** Whether a result reaches its target; undefined where it has none, or no ratio. */
export function reached({ ratio, target }: Result): boolean | undefined {
  if (ratio === null || !target) return undefined;
  return "atLeast" in target ? ratio >= target.atLeast : ratio <= target.atMost;
}

/** The results as lines of text under the machine's name. */
export function table(results: Result[], machine: string): string {
  const number = (value: number | null, digits = 4) =>
    value === null ? "–" : value >= 1000 ? value.toFixed(0) : value.toPrecision(digits);
  const target = ({ target }: Result) =>
    !target ? "" : "atLeast" in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
  const cells = results.map((result) => [
    result.what,
    number(result.ours),
    number(result.python),
    result.unit,
    number(result.ratio, 3),
    result.range?.map((ratio) => number(ratio, 3)).join(" – ") ?? "",
    target(result),
    result.skipped ?? { true: "yes", false: "no", undefined: "" }[`${reached(result)}`],
    String(result.rounds),
  ]);
  const columns = [
    "what",
    "ours",
    "other",
    "unit",
    "ratio",
    "range",
    "target",
    "reached",
    "rounds",
  ];
  return gridText({ title: machine, columns, cells, right: new Set([1, 2, 4, 8]) });
}
