import assert from "node:assert/strict";
import { createCanvas, loadImage } from "@napi-rs/canvas";
import { calibration, wilsonInterval } from "lightweight-finetuning";
import {
  accuracyByLengthChart,
  accuracyChart,
  type Chart,
  drawPng,
  learningRateChart,
  lossChart,
  palette,
  reliabilityChart,
  weightsChart,
} from "lightweight-finetuning/display";
import { writePng } from "../../lib/display/png.ts";
import { assertClose } from "../helpers/close.ts";

/** Red, green and blue of "#rrggbb", linear, 0 to 1. */
const linear = (colour: string) =>
  [1, 3, 5].map((at) => {
    const value = parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
const times = (matrix: number[][], vector: number[]) =>
  matrix.map((row) => row.reduce((sum, value, i) => sum + value * vector[i]!, 0));

Deno.test("the palette's colours have a contrast of 3 to white", () => {
  for (const colour of palette) {
    const [luminance] = times([[0.2126, 0.7152, 0.0722]], linear(colour));
    assert.ok(1.05 / (luminance! + 0.05) >= 3, colour); // WCAG 2.2, 1.4.11
  }
});

Deno.test("the palette's colours differ for people with each kind of colour blindness", () => {
  // Machado, Oliveira and Fernandes, A Physiologically-based Model for Simulation of Color Vision Deficiency, 2009
  const seen = {
    all: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    protan: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [
      ...[-0.003882, -0.048116, 1.051998],
    ]],
    deutan: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [
      ...[-0.01182, 0.04294, 0.968881],
    ]],
    tritan: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [
      ...[0.004733, 0.691367, 0.3039],
    ]],
  };
  const lab = (rgb: number[]) => {
    const clipped = rgb.map((value) => Math.min(1, Math.max(0, value)));
    const [x, y, z] = times([
      [0.4124564 / 0.95047, 0.3575761 / 0.95047, 0.1804375 / 0.95047],
      [0.2126729, 0.7151522, 0.072175],
      [0.0193339 / 1.08883, 0.119192 / 1.08883, 0.9503041 / 1.08883],
    ], clipped).map((value) => value > 0.008856 ? Math.cbrt(value) : 7.787 * value + 16 / 116);
    return [116 * y! - 16, 500 * (x! - y!), 200 * (y! - z!)];
  };
  for (const [kind, matrix] of Object.entries(seen)) {
    const colours = palette.map((colour) => lab(times(matrix, linear(colour))));
    colours.forEach((one, i) =>
      colours.slice(0, i).forEach((other, j) => {
        const distance = Math.hypot(...one.map((value, at) => value - other[at]!));
        assert.ok(distance > 12, `${kind}: ${palette[i]} and ${palette[j]} are ${distance} apart`);
      })
    );
  }
});

const record = (step: number, rest: Record<string, number> = {}) => ({
  ...{ step, epoch: step / 100, learningRate: 1e-4, gradNorm: 2, ...rest },
});
const figures = { accuracy: 0.9, low: 0.88, high: 0.92 };
type Axis = Record<string, unknown> & { range: number[]; tickvals: number[]; ticktext: string[] };
const axis = ({ layout }: Chart, name: string) => layout[name] as Axis;

Deno.test("a method has the colour that it is given in every chart, and one marker with it", () => {
  const [green] = [palette[2]!];
  const rows = { lengths: [1, 2], truth: [0, 1], predictions: { IA3: [0, 1], LoRA: [0, 0] } };
  const history = { IA3: [record(1, { evalLoss: 1 })], LoRA: [record(1, { evalLoss: 1 })] };
  const calibrated = calibration([1, 0], [0]);
  const bar = { name: "LoRA", colour: green, ...figures };
  const other = { name: "IA3", ...figures };
  const charts = [
    lossChart(history, { LoRA: green }),
    accuracyChart(other, bar),
    weightsChart({ ...other, weights: 10 }, { ...bar, weights: 1000 }),
    reliabilityChart({ IA3: calibrated, LoRA: calibrated }, { LoRA: green }),
    accuracyByLengthChart(rows, { LoRA: green }),
  ];
  for (const { data } of charts) {
    const markers = data.flatMap(({ type, marker }) =>
      type === "scatter" && marker ? [marker as { color: string; symbol: string }] : []
    );
    assert.deepEqual(markers.map(({ color, symbol }) => [color, symbol]), [
      [palette[0], "circle"],
      [green, "diamond"],
    ]);
  }
  const rates = learningRateChart(history, { LoRA: green });
  const colours = rates.data.map(({ line }) => (line as { color: string }).color);
  assert.deepEqual(colours, [palette[0], green, palette[0], green]);
});

Deno.test("the loss chart smooths many records, and neither few nor their ends", () => {
  const losses = Array.from({ length: 40 }, (_, i) => i % 2);
  const history = losses.map((loss, i) => record(i + 1, { loss }));
  const { data, alt } = lossChart({ LoRA: history });
  assert.deepEqual(data.map(({ name }) => name), ["LoRA, training as recorded", "LoRA, training"]);
  assert.deepEqual(data[0]!.y, losses);
  const smooth = data[1]!.y as number[];
  // Means over one record at the ends, then three, then five.
  assertClose(smooth.slice(0, 4), [0, 1 / 3, 2 / 5, 3 / 5], 1e-12);
  assertClose(smooth.slice(-2), [2 / 3, 1], 1e-12);
  assert.equal(alt, "Loss by step: LoRA, training 0.0000 to 1.0000");
  const few = lossChart({ LoRA: history.slice(0, 19) }).data;
  assert.deepEqual(few.map(({ y }) => y), [losses.slice(0, 19)]);
});

Deno.test("the loss chart draws step 0, and the chart of learning rates does not", () => {
  const first = record(0, { evalLoss: 1.4, learningRate: 0, gradNorm: 0 });
  const history = [first, record(1, { loss: 1, evalLoss: 0.5 }), record(2, { loss: 0.5 })];
  const { data } = lossChart({ LoRA: history });
  assert.deepEqual(data.map(({ x, y }) => [x, y]), [[[1, 2], [1, 0.5]], [[0, 1], [1.4, 0.5]]]);
  const rates = learningRateChart({ LoRA: history });
  assert.deepEqual(rates.data.map(({ x, y }) => [x, y]), [[[1, 2], [1e-4, 1e-4]], [[1, 2], [
    2,
    2,
  ]]]);
  assert.equal(
    rates.alt,
    "Learning rate by step: LoRA 0.0001 to 0.0001, at most 0.0001, norm of the gradients 2 to 2",
  );
});

Deno.test("rates more than fivefold apart have a logarithmic axis", () => {
  const at = (learningRate: number) => [record(1, { learningRate })];
  const type = (...rates: number[]) =>
    axis(learningRateChart(Object.fromEntries(rates.map((rate, i) => [i, at(rate)]))), "yaxis")
      .type;
  assert.deepEqual([type(1e-4), type(1e-4, 5e-4), type(1e-4, 6e-4), type(0, 1e-4)], [
    ...[undefined, undefined, "log", undefined],
  ]);
});

const bars = (...accuracies: number[]) =>
  accuracies.map((accuracy, i) => ({
    ...{ name: `model ${i}`, accuracy },
    low: Math.max(0, accuracy - 0.01),
    high: Math.min(1, accuracy + 0.01),
  }));

Deno.test("the accuracy chart shows where most are, and says which is outside of its axis", () => {
  const cases: [accuracies: number[], away: string[]][] = [
    [[0.9], []],
    [[0.25, 0.9], []],
    [[0.25, 0.89, 0.9], ["0.2503"]],
    [[0.3, 0.31, 0.9], ["0.9000"]],
    [[0.25, 0.26, 0.89, 0.9], []],
    [[0.5, 0.6, 0.7, 0.8], []],
    [[0.9, 0.9, 0.9], []],
    [[0, 1, 1], ["0.0000"]],
    [[0, 0, 0, 0, 1], ["1.0000"]],
    [[0.1, 0.25, 0.89, 0.9, 0.9, 0.91, 0.92, 0.93], ["0.1000", "0.2503"]],
  ];
  for (const [accuracies, away] of cases) {
    const given = bars(...accuracies.map((one) => one === 0.25 ? 0.2503 : one));
    const chart = accuracyChart(...given);
    const [left, right] = axis(chart, "xaxis").range as [number, number];
    assert.ok(left >= -0.03 && right <= 1.03 && left < right);
    const { tickvals, ticktext } = axis(chart, "xaxis");
    assert.ok(tickvals.length >= 3 && tickvals.length <= 9, `${accuracies}: ${ticktext}`);
    assert.ok(
      tickvals.every((tick, i) =>
        tick >= 0 && tick <= 1 && Number(ticktext[i]) === Number(tick.toFixed(9))
      ),
    );
    const texts = chart.data.flatMap(({ text }) => text as string[]);
    const outside = texts.filter((text) => text.includes("of this axis"));
    assert.deepEqual(outside.map((text) => text.match(/\d\.\d{4}/)![0]), away);
    for (const { name, accuracy, low, high } of given) {
      const said = `${name} ${accuracy.toFixed(4)} (${low.toFixed(4)} to ${high.toFixed(4)})`;
      assert.ok(chart.alt!.includes(said), said);
      const isAway = away.includes(accuracy.toFixed(4));
      assert.equal(low >= left && high <= right, !isAway, `${name} of ${accuracies}`);
    }
    for (const text of outside) {
      const below = Number(text.match(/\d\.\d{4}/)![0]) < left;
      assert.match(text, below ? /, left of this axis/ : /, right of this axis/);
    }
  }
});

Deno.test("the weights chart places accuracies by weights, equal ones side by side", () => {
  const chart = weightsChart(
    { name: "A", weights: 1000, ...figures },
    { name: "B", weights: 1000, ...figures },
    { name: "C", weights: 124_648_708, ...figures },
  );
  const [a, b, c] = chart.data.map(({ x }) => (x as number[])[0]!);
  assert.ok(b! > a!);
  assertClose([(a! + b!) / 2, c!], [3, Math.log10(124_648_708)], 1e-12);
  assert.deepEqual(chart.data.map(({ name }) => name), ["A, 1 k", "B, 1 k", "C, 125 M"]);
  const { tickvals, ticktext } = axis(chart, "xaxis");
  assert.equal(ticktext[tickvals.indexOf(6)], "1 M");
  assert.match(chart.alt!, /; C 124,648,708 weights, 0\.9000 \(0\.8800 to 0\.9200\)$/);
  for (const weights of [0, -1, NaN, Infinity]) {
    assert.throws(() => weightsChart({ name: "A", weights, ...figures }), {
      name: "RangeError",
      message:
        `Cannot chart 'A' as 'weights' must be a number above 0: current value is ${weights}`,
    });
  }
  assert.throws(() => weightsChart(), /^RangeError: Cannot chart weights as 'points' must not be/);
});

Deno.test("the reliability chart has each bin with its interval and rows, and the error", () => {
  const model = {
    bins: [
      { low: 0.4, high: 0.6, count: 10, confidence: 0.55, accuracy: 0.6 },
      { low: 0.8, high: 1, count: 30, confidence: 0.95, accuracy: 0.9 },
    ],
    ece: 0.05,
  };
  const { data, alt } = reliabilityChart({ LoRA: model });
  const [, points, rows] = data;
  assert.equal(points!.name, "LoRA, ECE 0.0500");
  assert.deepEqual([points!.x, points!.y], [[0.55, 0.95], [0.6, 0.9]]);
  const { array, arrayminus } = points!.error_y as Record<string, number[]>;
  const [low, high] = wilsonInterval(0.6, 10);
  assertClose([arrayminus![0]!, array![0]!], [0.6 - low, high - 0.6], 1e-12);
  assert.deepEqual(rows!.y, [10, 30]);
  assert.equal(
    alt,
    "Accuracy by confidence: LoRA, ECE 0.0500, at 0.55 0.60 of 10 rows, at 0.95 0.90 of 30 rows",
  );
});

Deno.test("the chart by length has groups of about one size, without splitting a length", () => {
  const lengths = [9, 1, 2, 3, 3, 3, 3, 4, 5, 6];
  const truth = lengths.map(() => 1);
  const LoRA = lengths.map((length) => length < 4 ? 1 : 0);
  const chart = accuracyByLengthChart({ lengths, truth, predictions: { LoRA } });
  assert.deepEqual(axis(chart, "xaxis").ticktext, [
    "1–2<br>(2)",
    "3<br>(4)",
    "4–5<br>(2)",
    "6–9<br>(2)",
  ]);
  assert.deepEqual(chart.data[0]!.y, [1, 1, 0, 0]);
  assert.match(
    chart.alt!,
    /tokens: 1–2 tokens, 2 rows: LoRA 1\.0000 \(0\.3424 to 1\.0000\); 3 tok/,
  );
  const same = accuracyByLengthChart({
    lengths: [7, 7],
    truth: [0, 0],
    predictions: { A: [0, 1] },
  });
  assert.deepEqual([axis(same, "xaxis").ticktext, same.data[0]!.y], [["7<br>(2)"], [0.5]]);

  const refused = (rows: Parameters<typeof accuracyByLengthChart>[0], message: string) =>
    assert.throws(() => accuracyByLengthChart(rows), {
      name: "RangeError",
      message: `Cannot chart accuracy by length as ${message}`,
    });
  const each = "must have a class for each of the 2 rows: current value is 1";
  refused(
    { lengths: [], truth: [], predictions: {} },
    "'lengths' must have at least one row: current value is 0",
  );
  refused({ lengths: [1, 2], truth: [0], predictions: {} }, `'truth' ${each}`);
  refused({ lengths: [1, 2], truth: [0, 0], predictions: { A: [1] } }, `'A' ${each}`);
});

// More than a call can have arguments.
Deno.test("charts take as many records and rows as there are", () => {
  const history = Array.from({ length: 200_000 }, (_, i) => record(i + 1, { loss: i % 2 }));
  assert.match(learningRateChart({ LoRA: history }).alt!, /at most 0\.0001/);
  const [recorded, mean] = lossChart({ LoRA: history }).data as { y: number[] }[];
  const near = recorded!.y.slice(90_000, 110_001);
  assertClose([mean!.y[100_000]!], [near.reduce((a, b) => a + b) / near.length], 1e-12);
  const lengths = history.map(() => 40);
  const rows = { lengths, truth: lengths, predictions: { LoRA: lengths } };
  assert.deepEqual(axis(accuracyByLengthChart(rows), "xaxis").ticktext, ["40<br>(200000)"]);
});

Deno.test("pictures of the new charts are drawn, with every model's colour", async () => {
  const { bins, ece } = calibration([2, 0, 0, 3, 1, 0], [0, 0, 0]);
  const models = { A: { bins, ece }, B: { bins, ece: 0 } };
  const history = { A: [record(1), record(2)], B: [record(1, { gradNorm: 1 }), record(2)] };
  const predictions = { A: [0, 1, 1], B: [1, 1, 1] };
  const charts = [
    reliabilityChart(models),
    learningRateChart(history),
    accuracyByLengthChart({ lengths: [1, 5, 9], truth: [0, 1, 1], predictions }),
    weightsChart({ name: "A", weights: 5, ...figures }, { name: "B", weights: 9e9, ...figures }),
  ];
  for (const chart of charts) {
    const image = await loadImage(await drawPng(chart, 2));
    assert.deepEqual([image.width, image.height], [1400, 2 * chart.layout.height!]);
    const pen = createCanvas(image.width, image.height).getContext("2d");
    pen.drawImage(image, 0, 0);
    const { data } = pen.getImageData(0, 0, image.width, image.height);
    for (const colour of palette.slice(0, 2)) {
      const rgb = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
      let found = 0;
      for (let at = 0; at < data.length; at += 4) {
        if (rgb.every((value, i) => data[at + i] === value)) found++;
      }
      assert.ok(found > 100, `${colour}: ${found}`);
    }
  }
});

Deno.test("a picture keeps its colours where they are few, and all of them where they are many", async () => {
  const drawn = async (png: Uint8Array) => {
    const image = await loadImage(png);
    const pen = createCanvas(image.width, image.height).getContext("2d");
    pen.drawImage(image, 0, 0);
    return pen.getImageData(0, 0, image.width, image.height).data;
  };
  const size = 40;
  const image = (colour: (at: number) => number[]) =>
    new Uint8Array(Array.from({ length: size * size }, (_, at) => colour(at)).flat());
  const few = image((at) => [at % 60, 200 - at % 60, 7, 255]);
  assert.deepEqual([...await drawn(writePng(few, size, size)!)], [...few]);

  // 150 rare colours, of which 23 are not kept, are near to one that is.
  const edges = image((at) => at < 150 ? [at, 0, 0, 255] : [255, 255, 255, 255]);
  const near = await drawn(writePng(edges, size, size)!);
  edges.forEach((value, at) => assert.ok(Math.abs(near[at]! - value) <= 36, `${at}: ${near[at]}`));

  const shades = image((at) => [at % 256, at % 251, at % 241, 255]);
  assert.equal(writePng(shades, size, size), undefined);
  const glass = image((at) => at % 2 ? [0, 0, 0, 0] : [255, 255, 255, 255]);
  assert.deepEqual([...await drawn(writePng(glass, size, size)!)], [...glass]);
  const heatmap = {
    data: [{ type: "heatmap", z: [[0, 1], [2, 3]], colorscale: "Viridis", zsmooth: "best" }],
    layout: {},
  };
  const colours = new Set(new Uint32Array((await drawn(await drawPng(heatmap))).buffer));
  assert.ok(colours.size > 256, `${colours.size}`);
});
