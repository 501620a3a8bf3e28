import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { createRandom, openDevice, type Random } from "lightweight-finetuning";
import { port, usePort } from "../../lib/device/port.ts";
import { rawOp } from "../../lib/device/tensorflow.ts";
import { adamWStep } from "../../lib/kernels/adamw.ts";
import { addBias, sumRowProducts, sumRows } from "../../lib/kernels/add.ts";
import { attention } from "../../lib/kernels/attention.ts";
import { dropout } from "../../lib/kernels/dropout.ts";
import { gelu } from "../../lib/kernels/gelu.ts";
import { addNorm } from "../../lib/kernels/norm.ts";
import { maxDifference } from "./close.ts";

type Shapes = Record<string, number[]>;
type Attributes = Record<string, number>;

/** How an op of fused.cc must be called. */
interface Op {
  /** Inputs whose shapes are free; the others' follow. */
  free(sizes: () => number): Shapes;
  /** The shapes of all inputs in their order; nothing where the free ones or the attributes are wrong. */
  inputs(free: Shapes, attributes: Attributes): Shapes | undefined;
  /** The shapes of the outputs. */
  outputs(inputs: Shapes, attributes: Attributes): number[][];
  /** Attributes of a right call. */
  attributes?(free: Shapes, random: Random): Attributes;
}

const RATES = [0, 1e-9, 0.1, 0.5, 0.9];
const seed = [2];
const isRate = (rate: number) => Math.fround(rate) >= 0 && Math.fround(rate) < 1;
const pick = <T>(random: Random, all: readonly T[]): T =>
  all[Math.floor(random.uniform(1)[0]! * all.length)]!;
const matrix = (x: number[] | undefined): x is [number, number] =>
  x?.length === 2 && x.every((size) => size > 0);
const filled = (x: number[]) => x.every((size) => size > 0);
const rate = (_: Shapes, random: Random) => ({ rate: pick(random, RATES) });

const attentionOp = (gradient: boolean): Op => {
  const sizes = ({ q, mask }: Shapes, { width }: Attributes) => {
    const [B, T] = mask!;
    return { B: B!, T: T!, H: q![1]!, A: q![1]! / width!, Q: q![0]! / B! };
  };
  return {
    free(size) {
      const [B, Q, T, A, D] = [size() % 4 + 1, size(), size(), size() % 4 + 1, size()];
      return { q: [B * Q, A * D], mask: [B, T], width: [D] };
    },
    attributes: ({ width, q }, random) => {
      const D = width?.[0] ?? q![1]!;
      return { rate: pick(random, RATES), width: D };
    },
    inputs(free, attributes) {
      const { q, mask } = free;
      if (!matrix(q) || !matrix(mask) || !isRate(attributes.rate!)) return;
      const { B, T, H, A, Q } = sizes(free, attributes);
      if (!(attributes.width! >= 1) || ![A, Q, attributes.width].every(Number.isInteger)) return;
      const k = [B * T, H];
      return { q, k, v: k, mask, seed, ...gradient && { log_sum: [B, A, Q], dy: q } };
    },
    outputs(inputs, attributes) {
      const { B, A, Q } = sizes(inputs, attributes);
      const { q, k, v } = inputs;
      return gradient ? [q!, k!, v!] : [q!, [B, A, Q]];
    },
  };
};

const rows = (size: () => number) => ({ x: [size(), size()] });
const any = (size: () => number) => ({ x: Array.from({ length: size() % 5 }, size) });

const OPS: Record<string, Op> = {
  AddBias: {
    free: rows,
    inputs: ({ x }) => matrix(x) ? { x, bias: [x[1]] } : undefined,
    outputs: () => [],
  },
  SumRows: {
    free: rows,
    inputs: ({ x }) => matrix(x) ? { x } : undefined,
    outputs: ({ x }) => [[x![1]!]],
  },
  SumRowProducts: {
    free: rows,
    inputs: ({ x }) => matrix(x) ? { x, y: x } : undefined,
    outputs: ({ x }) => [[x![1]!]],
  },
  Gelu: {
    free: any,
    inputs: ({ x }) => filled(x!) ? { x: x! } : undefined,
    outputs: ({ x }) => [x!],
  },
  GeluGrad: {
    free: any,
    inputs: ({ x }) => filled(x!) ? { x: x!, dy: x! } : undefined,
    outputs: ({ x }) => [x!],
  },
  Dropout: {
    free: any,
    attributes: rate,
    inputs: ({ x }, { rate }) => filled(x!) && isRate(rate!) ? { x: x!, seed } : undefined,
    outputs: ({ x }) => [x!],
  },
  AddNorm: {
    free: rows,
    attributes: (free, random) => ({ ...rate(free, random), epsilon: 1e-5 }),
    inputs: ({ x }, { rate, epsilon }) =>
      matrix(x) && isRate(rate!) && epsilon! >= 0
        ? { x, residual: x, scale: [x[1]], shift: [x[1]], seed }
        : undefined,
    outputs: ({ x }) => [x!, x!, [x![0]!]],
  },
  AddNormGrad: {
    free: (size) => ({ dy: [size(), size()] }),
    attributes: rate,
    inputs: ({ dy }, { rate }) =>
      matrix(dy) && isRate(rate!)
        ? { dy, normal: dy, inverse: [dy[0]], scale: [dy[1]], seed }
        : undefined,
    outputs: ({ dy }) => [dy!, dy!],
  },
  Attention: attentionOp(false),
  AttentionGrad: attentionOp(true),
  AdamW: {
    free: (size) => ({ weight: any(size).x }),
    inputs: ({ weight: x }) =>
      filled(x!) ? { weight: x!, mean: x!, square: x!, gradient: x!, numbers: [9] } : undefined,
    outputs: ({ weight: x }) => [x!, x!, x!],
  },
};

// deno-fmt-ignore
const ODD_NUMBERS = [NaN, Infinity, -Infinity, -1, 0, 0.5, 1, 1.5, 2, 7, 65536, 65537, 1e30, -1e-30];

/** Changes one shape or attribute, or the type or number of inputs; the call may still be right. */
function mutate(random: Random, shapes: Shapes, attributes: Attributes) {
  const int = (below: number) => Math.floor(random.uniform(1)[0]! * below);
  const names = Object.keys(shapes);
  const name = names[int(names.length)]!;
  const shape = shapes[name]!.slice();
  const at = int(shape.length || 1);
  const keys = Object.keys(attributes);
  const ways = [
    () => shape[at] = 0,
    () => shape[at] = (shape[at] ?? 0) + 1,
    () => shape[at] = Math.max(0, (shape[at] ?? 0) - 1),
    () => shape[at] = 2 * (shape[at] ?? 1),
    () => shape[at] = 1 + int(70),
    () => shape.splice(at, 1),
    () => shape.splice(at, 0, 1 + int(3)),
    () => shape.splice(0, shape.length, shape.reduce((a, b) => a * b, 1)),
    () => shape.reverse(),
    () => shape.splice(0, shape.length, ...shapes[names[int(names.length)]!]!),
    () => keys.length && (attributes[keys[int(keys.length)]!] = pick(random, ODD_NUMBERS)),
  ];
  pick(random, ways)();
  shapes[name] = shape;
}

const sameShapes = (a: Shapes, b: Shapes) => JSON.stringify(a) === JSON.stringify(b);

/** Calls a kernel as it may be called or not: it must run where it may, and else refuse in a sentence. */
function callOp(random: Random, size: () => number, ops: string[]): { op: string; ran: boolean } {
  const op = pick(random, ops);
  const { free, attributes: numbers, inputs, outputs } = OPS[op]!;
  const start = free(size);
  const attributes = numbers?.(start, random) ?? {};
  const shapes = inputs(start, attributes)!;
  const count = outputs(shapes, attributes).length;
  if (random.uniform(1)[0]! < 0.7) mutate(random, shapes, attributes);
  const expected = inputs(shapes, attributes);
  const mayRun = expected !== undefined && sameShapes(expected, shapes);
  const shown = `${op} ${JSON.stringify(shapes)} ${JSON.stringify(attributes)}`;
  tf.tidy(() => {
    const tensors = Object.entries(shapes).map(([name, shape]) => {
      const x = port().uniform(shape, random.key()); // memory of TensorFlow's, exactly as long
      return name === "seed" ? tf.cast(tf.mul(x, 1e6), "int32") : x;
    });
    const call = () => rawOp(`Fused${op}`, tensors, attributes, count);
    if (mayRun) {
      assert.deepEqual(call().map(({ shape }) => shape), outputs(shapes, attributes), shown);
    } else {
      const message = new RegExp(`^Cannot run Fused${op} as '\\w+' must be`);
      assert.throws(call, { message }, shown);
    }
  });
  return { op, ran: mayRun };
}

type Formula = (...inputs: tf.Tensor2D[]) => tf.Tensor;

/** A formula of lib/kernels on random inputs; the shapes of these. */
const FORMULAS: Record<string, (size: () => number, random: Random) => [Formula, number[][]]> = {
  gelu: (size) => [gelu, [[size(), size()]]],
  dropout: (size, random) => {
    const [rate, seed] = [pick(random, RATES), size()];
    return [(x) => dropout(x, rate, createRandom(seed)), [[size(), size()]]];
  },
  addNorm: (size, random) => {
    const [N, H, rate, seed] = [size(), size() + 1, pick(random, RATES), size()];
    const formula: Formula = (x, residual, ...weights) => {
      const [scale, shift] = weights as unknown as Vector[];
      const norm = { scale: scale!, shift: shift!, epsilon: 1e-2 };
      return addNorm(x!, residual!, norm, rate, createRandom(seed));
    };
    return [formula, [[N, H], [N, H], [H], [H]]];
  },
  attention: (size, random) => {
    const [B, Q, T, A, D] = [size() % 4 + 1, size(), size(), size() % 4 + 1, size()];
    const [rate, seed] = [pick(random, RATES), size()];
    const mask = tf.mul<tf.Tensor2D>(port().uniform([B, T], random.key()), -3);
    const formula: Formula = (q, k, v) => attention(q!, k!, v!, mask, A, rate, createRandom(seed));
    return [formula, [[B * Q, A * D], [B * T, A * D], [B * T, A * D]]];
  },
};

type Vector = tf.Variable<tf.Rank.R1>;

/** Formulas without a gradient, each on inputs of its own as it may write in them. */
const PLAIN: Record<string, (size: () => number) => [Formula, number[][]]> = {
  addBias: (size) => {
    const [N, H] = [size(), size()];
    return [(x, bias) => addBias(x!, bias as unknown as tf.Tensor1D), [[N, H], [H]]];
  },
  sumRows: (size) => [(x) => sumRows(x!), [[10 * size(), size()]]],
  sumRowProducts: (size) => {
    const shape = [10 * size(), size()];
    return [(x, y) => sumRowProducts(x!, y!), [shape, shape]];
  },
  adamW: (size) => {
    const shape = [size(), size()];
    const formula: Formula = (...inputs) => {
      const gradient = inputs.pop()!;
      const variables = inputs.map((x) => tf.variable(x));
      const [weight, mean, square] = variables;
      const settings = { factor: 0.5, decay: 0.9, learningRate: 0.1, step: 3 };
      const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-3 };
      adamWStep(weight!, mean!, square!, gradient, { ...settings, ...adam });
      const all = tf.concat(variables, 0);
      tf.dispose(variables);
      return all;
    };
    return [formula, [shape, shape, shape, shape]];
  },
};

/** Computes a formula and its gradients by the kernels and without them: the same within rounding. */
function compare(random: Random, size: () => number): string {
  const name = pick(random, [...Object.keys(FORMULAS), ...Object.keys(PLAIN)]);
  tf.tidy(() => {
    const [formula, shapes] = (FORMULAS[name] ?? PLAIN[name]!)(size, random);
    const keys = shapes.map(() => random.key());
    const yKey = random.key();
    const values = () => {
      const inputs = shapes.map((shape, i) => tf.variable(port().uniform(shape, keys[i]!)));
      const call = () => formula(...inputs as unknown as tf.Tensor2D[]);
      if (PLAIN[name]) return [call().dataSync<"float32">()];
      const y = call();
      const weighed = () => tf.sum(tf.mul(call(), port().uniform(y.shape, yKey))) as tf.Scalar;
      const { grads } = tf.variableGrads(weighed, inputs);
      const all = [y, ...inputs.map(({ name }) => grads[name]!)];
      const read = all.map((x) => x.dataSync<"float32">());
      tf.dispose(inputs);
      return read;
    };
    const fast = values();
    using _ = usePort({ ...port(), kernels: {} });
    values().forEach((plain, i) => {
      // The inputs are of size one; a gradient that cancels out is no measure.
      const scale = plain.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
      const error = maxDifference(fast[i]!, plain) / scale;
      assert.ok(error <= 1e-5, `${name} of ${JSON.stringify(shapes)}, number ${i}: ${error}`);
    });
  });
  return name;
}

/** Calls by what came of them and by their op or formula. */
export type Told = Record<"ran" | "refused" | "agreed", Record<string, number>>;

/**
 * Calls the kernels with random shapes, right and wrong ones.
 *
 * @param only An op to call alone.
 * @returns How many calls of an op ran and were refused, and of a formula agreed with the composed one.
 */
export function fuzzKernels(count: number, seed: number, only?: string): Told {
  const random = createRandom(seed);
  const size = () => pick(random, [1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 64, 65]);
  const ops = only ? [only] : Object.keys(OPS);
  const told: Told = { ran: {}, refused: {}, agreed: {} };
  const add = (kind: keyof Told, name: string) => told[kind][name] = (told[kind][name] ?? 0) + 1;
  for (let i = 0; i < count; i++) {
    if (i % 4 === 0 && !only) add("agreed", compare(random, size));
    else {
      const { op, ran } = callOp(random, size, ops);
      add(ran ? "ran" : "refused", op);
    }
  }
  return told;
}

if (import.meta.main) {
  await openDevice();
  const [count, seed, only] = Deno.args;
  console.log(JSON.stringify(fuzzKernels(Number(count), Number(seed), only)));
}
