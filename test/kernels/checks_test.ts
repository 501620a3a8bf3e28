import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { openDevice } from "lightweight-finetuning";
import { port } from "../../lib/device/port.ts";
import { type RawAttribute, rawOp } from "../../lib/device/tensorflow.ts";

await openDevice();

type Attributes = Record<string, RawAttribute>;

const INTEGERS = ["seed", "codes", "absmax", "shape"];

/** Runs an op of fused.cc. */
const run = (op: string, inputs: tf.Tensor[], outputs: number, attributes: Attributes) =>
  rawOp(`Fused${op}`, inputs, attributes, outputs);

/** A right call of each op: the shapes of its inputs and outputs. */
const OPS: Record<
  string,
  { inputs: Record<string, number[]>; outputs: number[][]; attributes?: Attributes }
> = {
  AddBias: { inputs: { x: [4, 6], bias: [6] }, outputs: [] },
  SumRows: { inputs: { x: [4, 6] }, outputs: [[6]] },
  SumRowProducts: { inputs: { x: [4, 6], y: [4, 6] }, outputs: [[6]] },
  Gelu: { inputs: { x: [2, 3, 4] }, outputs: [[2, 3, 4]] },
  GeluGrad: { inputs: { x: [2, 3, 4], dy: [2, 3, 4] }, outputs: [[2, 3, 4]] },
  Dropout: {
    inputs: { x: [2, 3, 4], seed: [2] },
    outputs: [[2, 3, 4]],
    attributes: { rate: 0.5 },
  },
  AddNorm: {
    inputs: { x: [4, 6], residual: [4, 6], scale: [6], shift: [6], seed: [2] },
    outputs: [[4, 6], [4, 6], [4]],
    attributes: { rate: 0.5, epsilon: 1e-5 },
  },
  AddNormGrad: {
    inputs: { dy: [4, 6], normal: [4, 6], inverse: [4], scale: [6], seed: [2] },
    outputs: [[4, 6], [4, 6]],
    attributes: { rate: 0.5 },
  },
  Attention: { // two texts of two queries and three keys, two heads
    inputs: { q: [4, 6], k: [6, 6], v: [6, 6], mask: [2, 3], seed: [2] },
    outputs: [[4, 6], [2, 2, 2]],
    attributes: { rate: 0.5, width: 3 },
  },
  AttentionGrad: {
    inputs: {
      ...{ q: [4, 6], k: [6, 6], v: [6, 6], mask: [2, 3], seed: [2] },
      ...{ log_sum: [2, 2, 2], dy: [4, 6] },
    },
    outputs: [[4, 6], [6, 6], [6, 6]],
    attributes: { rate: 0.5, width: 3 },
  },
  AdamW: {
    inputs: { weight: [4, 6], mean: [4, 6], square: [4, 6], gradient: [4, 6], numbers: [9] },
    outputs: [[4, 6], [4, 6], [4, 6]],
  },
  Dequantize: { // one row of one number, in blocks of 64 and 256
    inputs: {
      ...{ codes: [8], absmax: [64], nested_absmax: [1], nested_offset: [] },
      ...{ numbers: [16], scales: [256], shape: [2] },
    },
    outputs: [[1, 1]],
    attributes: { T: "TF_FLOAT" },
  },
};

const MATRIX = "a matrix that is not empty";
const FILLED = "a tensor that is not empty";
const RATE = "at least 0 and below 1";
const WIDTH = "a whole number from 1 to 65536";

/** A shape of an input, or an attribute, that differs from the right call, and what it must be. */
const WRONG: [op: string, name: string, value: number[] | number, must: string][] = [
  ["AddBias", "x", [24], MATRIX],
  ["AddBias", "x", [0, 6], MATRIX],
  ["AddBias", "bias", [5], "[6]"],
  ["AddBias", "bias", [1, 6], "[6]"],
  ["SumRows", "x", [4, 6, 1], MATRIX],
  ["SumRows", "x", [4, 0], MATRIX],
  ["SumRowProducts", "x", [], MATRIX],
  ["SumRowProducts", "y", [3, 6], "[4,6]"],
  ["SumRowProducts", "y", [6, 4], "[4,6]"],
  ["Gelu", "x", [0], FILLED],
  ["GeluGrad", "x", [0, 3, 4], FILLED],
  ["GeluGrad", "dy", [2, 3], "[2,3,4]"],
  ["GeluGrad", "dy", [0], "[2,3,4]"],
  ["Dropout", "x", [2, 0], FILLED],
  ["Dropout", "seed", [1], "[2]"],
  ["Dropout", "seed", [3], "[2]"],
  ["Dropout", "rate", 1, RATE],
  ["Dropout", "rate", -0.5, RATE],
  ["Dropout", "rate", NaN, RATE],
  ["AddNorm", "x", [2, 2, 6], MATRIX],
  ["AddNorm", "x", [0, 6], MATRIX],
  ["AddNorm", "residual", [3, 6], "[4,6]"],
  ["AddNorm", "scale", [5], "[6]"],
  ["AddNorm", "shift", [], "[6]"],
  ["AddNorm", "seed", [0], "[2]"],
  ["AddNorm", "rate", 1, RATE],
  ["AddNorm", "epsilon", -1, "at least 0"],
  ["AddNormGrad", "dy", [6], MATRIX],
  ["AddNormGrad", "normal", [4, 5], "[4,6]"],
  ["AddNormGrad", "inverse", [3], "[4]"],
  ["AddNormGrad", "scale", [7], "[6]"],
  ["AddNormGrad", "seed", [1, 2], "[2]"],
  ["AddNormGrad", "rate", 1.5, RATE],
  ["Attention", "q", [24], MATRIX],
  ["Attention", "q", [0, 6], MATRIX],
  ["Attention", "q", [3, 6], "of a multiple of 2 rows"],
  ["Attention", "k", [4, 6], "[6,6]"],
  ["Attention", "k", [6, 3], "[6,6]"],
  ["Attention", "v", [5, 6], "[6,6]"],
  ["Attention", "mask", [6], MATRIX],
  ["Attention", "mask", [0, 3], MATRIX],
  ["Attention", "mask", [2, 0], MATRIX],
  ["Attention", "seed", [], "[2]"],
  ["Attention", "rate", 1, RATE],
  ["Attention", "width", 0, WIDTH],
  ["Attention", "width", -3, WIDTH],
  ["Attention", "width", 1.5, WIDTH],
  ["Attention", "width", 65537, WIDTH],
  ["Attention", "width", 4, "a divisor of 6"],
  ["Attention", "width", 12, "a divisor of 6"],
  ["AttentionGrad", "q", [4], MATRIX],
  ["AttentionGrad", "k", [5, 6], "[6,6]"],
  ["AttentionGrad", "mask", [0, 0], MATRIX],
  ["AttentionGrad", "log_sum", [2, 2, 1], "[2,2,2]"],
  ["AttentionGrad", "log_sum", [8], "[2,2,2]"],
  ["AttentionGrad", "dy", [3, 6], "[4,6]"],
  ["AttentionGrad", "width", 4, "a divisor of 6"],
  ["AdamW", "weight", [0], FILLED],
  ["AdamW", "mean", [3, 6], "[4,6]"],
  ["AdamW", "square", [24], "[4,6]"],
  ["AdamW", "gradient", [6], "[4,6]"],
  ["AdamW", "numbers", [8], "[9]"],
  ["Dequantize", "codes", [7], "[8]"],
  ["Dequantize", "codes", [64], "[8]"],
  ["Dequantize", "absmax", [1], "[64]"],
  ["Dequantize", "nested_absmax", [2], "[1]"],
  ["Dequantize", "nested_offset", [1], "[]"],
  ["Dequantize", "numbers", [256], "[16]"],
  ["Dequantize", "scales", [16], "[256]"],
  ["Dequantize", "shape", [1], "[2]"],
];

/** The inputs of an op's right call but for some, and what runs it on them. */
function call(op: string, shapes: Record<string, number[]> = {}, attributes: Attributes = {}) {
  const right = OPS[op]!;
  const inputs = Object.entries({ ...right.inputs, ...shapes }).map(([name, shape]) =>
    tf.ones(shape, INTEGERS.includes(name) ? "int32" : "float32")
  );
  return {
    inputs,
    run: () => run(op, inputs, right.outputs.length, { ...right.attributes, ...attributes }),
  };
}

const test = (name: string, work: () => void) =>
  Deno.test({ name, ignore: !port().kernels.addBias, fn: () => tf.tidy(work) });

for (const [op, name, value, must] of WRONG) {
  const shown = Array.isArray(value) ? `[${value}]` : String(value).toLowerCase();
  test(`${op} refuses ${shown} for '${name}', and writes nothing`, () => {
    const wrong = Array.isArray(value)
      ? call(op, { [name]: value })
      : call(op, {}, { [name]: value });
    assert.throws(wrong.run, {
      message: `Cannot run Fused${op} as '${name}' must be ${must}: current value is ${shown}`,
    });
    for (const x of wrong.inputs) assert.ok(x.dataSync().every((number) => number === 1));
  });
}

for (const [op, { inputs, outputs }] of Object.entries(OPS)) {
  test(`${op} runs, and then refuses inputs of other types, or one too few`, () => {
    const right = call(op);
    assert.deepEqual(right.run().map(({ shape }) => shape), outputs);
    Object.keys(inputs).forEach((_, i) => {
      const wrong = call(op);
      const x = wrong.inputs[i]!;
      const [dtype, type] = x.dtype === "int32"
        ? ["float32", "int32"] as const
        : ["int32", "float"];
      for (const other of [dtype, "bool"] as const) {
        wrong.inputs[i] = tf.ones(x.shape, other as "int32");
        assert.throws(
          wrong.run,
          new RegExp(
            `input #${i}.* expected to be a ${type} tensor|is not in the list of allowed values: float, bf`,
          ),
        );
      }
    });
    right.inputs.pop();
    assert.throws(right.run, /expected \d inputs, got \d|do not match 0 inputs/);
    assert.deepEqual(call(op).run().map(({ shape }) => shape), outputs);
  });
}

test("AddBias refuses a bias that is x itself", () => {
  const x = tf.ones([1, 6]);
  assert.throws(() => run("AddBias", [x, tf.reshape(x, [6])], 0, {}), {
    message:
      "Cannot run FusedAddBias as 'x' must be a buffer of its own: current value is that of input 1",
  });
});

test("attention that needs four terabytes for its scores is refused, and the process goes on", () => {
  const x = tf.ones([2 ** 20, 1]);
  const [mask, seed] = [tf.ones([1, 2 ** 20]), tf.ones([2], "int32")];
  const attributes = { rate: 0, width: 1 };
  const full = /^Cannot run FusedAttention.*TensorFlow says 'OOM when allocating /;
  assert.throws(() => run("Attention", [x, x, x, mask, seed], 2, attributes), { message: full });
  const [, logSum] = run("Attention", [x, x, x, tf.ones([2 ** 20, 1]), seed], 2, attributes);
  const inputs = [x, x, x, mask, seed, tf.reshape(logSum!, [1, 1, 2 ** 20]), x];
  assert.throws(() => run("AttentionGrad", inputs, 3, attributes), {
    message: /^Cannot run FusedAttentionGrad.*TensorFlow says 'OOM when allocating /,
  });
});
