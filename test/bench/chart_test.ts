import assert from "node:assert/strict";
import { ratioChart } from "../../bench/chart.ts";
import type { Result } from "../../bench/summary.ts";

const machine = "CPU";
const result = (unit: string, ratio: number, range: [number, number], short?: string): Result => {
  const numbers = { ours: ratio, python: 1, ratio, range, rounds: 4, machine };
  return { what: "x", unit, ...numbers, ...(short && { short }) };
};
const results = [
  result("samples/s", 1.54, [0.99, 1.7], "a step"),
  result("samples/s", 1.01, [0.9, 1.02], "another"),
  result("s", 3.41, [3, 3.9], "start"),
  result("MB", 0.97, [0.9, 1.06], "memory"),
  result("samples/s", 5, [5, 5]),
  { ...result("s", 1, [1, 1], "skipped"), ratio: null },
];

interface Bars {
  x: number[];
  xaxis: string;
  error_x: { array: number[] };
}
interface Note {
  name?: string;
  text: string;
  x: number;
  y: number;
  yref: string;
  xref: string;
  xanchor: string;
  xshift: number;
}
interface Layout {
  [axis: `${"x" | "y"}axis${string}`]: { range: [number, number]; domain: [number, number] };
  annotations: Note[];
  shapes: { x0: number; xref: string }[];
  margin: { t: number; r: number; b: number };
  font: { size: number };
  height: number;
}

Deno.test("ratioChart() has every value beside all marks, in a row of its own", () => {
  const { data, layout } = ratioChart(results);
  const { annotations, shapes, margin, font, height, ...axes } = layout as unknown as Layout;
  const axis = (name: string) => axes[`${name[0]}axis${name.slice(1)}` as `xaxis${string}`]!;

  for (const { x, xaxis, error_x } of data as unknown as Bars[]) {
    const { range: [start, end] } = axis(xaxis);
    const right = Math.max(...x.map((value, i) => value + error_x.array[i]!));
    assert.ok(start === 0 && right < end, `${right} of ${end}`);
  }
  for (const { x0, xref } of shapes) assert.ok(x0 === 1 && x0 < axis(xref).range[1]);

  const values = annotations.filter(({ name }) => name === "value");
  assert.deepEqual(values.map(({ text }) => text), ["1.54 ×", "1.01 ×", "3.41 ×", "97 %"]);
  for (const { x, xref, xanchor, xshift, text } of values) {
    // Right of the plot, whose right edge is 1 in paper; a character is narrower than the font is high.
    assert.deepEqual([x, xref, xanchor], [1, "paper", "left"]);
    assert.ok(xshift > 4 && xshift + text.length * font.size * 0.8 < margin.r);
  }
  const tops = values.map(({ y, yref }) => {
    const { domain: [low, high], range: [bottom, top] } = axis(yref);
    const share = low + (high - low) * (y - bottom) / (top - bottom);
    return (1 - share) * (height - margin.t - margin.b);
  });
  tops.slice(1).forEach((top, i) => assert.ok(top - tops[i]! > 1.4 * font.size));
});

Deno.test("ratioChart() leaves out a panel that has no line", () => {
  assert.equal(ratioChart(results.slice(0, 2)).data.length, 1);
  assert.equal(ratioChart([]).data.length, 0);
});
