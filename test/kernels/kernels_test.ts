import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { createRandom, crossEntropy, openDevice } from "lightweight-finetuning";
import { type FusedKernels, port, usePort } from "../../lib/device/port.ts";
import type { TensorFlowBackend } from "../../lib/device/tensorflow.ts";
import { tensorFlowPort } from "../../lib/device/tensorflow_port.ts";
import { adamWStep } from "../../lib/kernels/adamw.ts";
import { addBias, sumRowProducts, sumRows } from "../../lib/kernels/add.ts";
import { attention } from "../../lib/kernels/attention.ts";
import { dropout } from "../../lib/kernels/dropout.ts";
import { gelu } from "../../lib/kernels/gelu.ts";
import { addNorm } from "../../lib/kernels/norm.ts";
import { assertClose } from "../helpers/close.ts";
import * as noise from "../helpers/noise.ts";
import imbalance from "../fixtures/imbalance.json" with { type: "json" };

const device = await openDevice();
const random = createRandom(1);
const normal = <R extends tf.Rank = tf.Rank.R2>(...shape: tf.ShapeMap[R]) =>
  tf.variable(noise.normal<R>(random, shape));
const fused = port().kernels;

/** Runs something on a device that has these kernels. */
function withKernels<T>(kernels: Partial<FusedKernels>, work: () => T): T {
  using _ = usePort({ ...port(), kernels });
  return work();
}

/** A device with one kernel, and a device without it, for each. */
const SOME = Object.entries(fused).flatMap(([name, kernel]): [string, Partial<FusedKernels>][] => {
  const others = Object.entries(fused).filter(([other]) => other !== name);
  return [
    [`only ${name}`, { [name]: kernel }],
    [`all but ${name}`, Object.fromEntries(others)],
  ];
});

/** Padding at the end of each text, one of them of a single token. */
const mask = tf.tensor2d([[0, 0, 0, 0, 0], [0, 0, 0, -1e9, -1e9], [0, -1e9, -1e9, -1e9, -1e9]]);
type Vector = tf.Variable<tf.Rank.R1>;

// Sizes that no vector and no thread divides.
const KERNELS: Record<string, { inputs: tf.Variable[]; run: (...inputs: never[]) => tf.Tensor }> = {
  "gelu()": {
    inputs: [tf.variable(tf.concat([normal(7, 33), tf.linspace(-30, 30, 33).reshape([1, 33])]))],
    run: (x: tf.Tensor2D) => gelu(x),
  },
  "dropout()": {
    inputs: [normal(77, 131)],
    run: (x: tf.Tensor2D) => dropout(x, 0.3, createRandom(3, 7)),
  },
  "addNorm()": {
    inputs: [normal(7, 33), normal(7, 33), normal(33), normal(33)],
    run: (x: tf.Tensor2D, residual: tf.Tensor2D, scale: Vector, shift: Vector) =>
      addNorm(x, residual, { scale, shift, epsilon: 1e-5 }),
  },
  "addNorm() with dropout": {
    inputs: [normal(7, 33), normal(7, 33), normal(33), normal(33)],
    run: (x: tf.Tensor2D, residual: tf.Tensor2D, scale: Vector, shift: Vector) =>
      addNorm(x, residual, { scale, shift, epsilon: 1e-5 }, 0.2, createRandom(-3, 2 ** 31 - 1)),
  },
  "attention()": {
    inputs: [normal(15, 14), normal(15, 14), normal(15, 14)],
    run: (q: tf.Tensor2D, k: tf.Tensor2D, v: tf.Tensor2D) => attention(q, k, v, mask, 2),
  },
  "attention() with dropout": {
    inputs: [normal(15, 14), normal(15, 14), normal(15, 14)],
    run: (q: tf.Tensor2D, k: tf.Tensor2D, v: tf.Tensor2D) =>
      attention(q, k, v, mask, 2, 0.5, createRandom(3, 9)),
  },
};

Deno.test("a CPU that set-up compiled for has every kernel, and a GPU none", () => {
  assert.equal(Object.keys(fused).length, device.kind === "cpu" ? 12 : 0);
});

for (const [name, { inputs, run }] of Object.entries(KERNELS)) {
  Deno.test(`${name} and its gradients are the same on a device with all kernels, some and none`, () => {
    const call = run as (...inputs: tf.Tensor[]) => tf.Tensor;
    const all = () => {
      const before = tf.memory().numTensors;
      const values = tf.tidy(() => {
        const y = call(...inputs);
        const weights = noise.normal(createRandom(2), y.shape);
        const { grads } = tf.variableGrads(
          () => tf.sum(tf.mul(call(...inputs), weights)),
          inputs,
        );
        return [y, ...inputs.map(({ name }) => grads[name]!)].map((x) =>
          x.dataSync<"float32">().slice()
        );
      });
      assert.equal(tf.memory().numTensors, before);
      return values;
    };
    const [plain, fast] = [withKernels({}, all), all()];
    assert.equal(fast.length, 1 + inputs.length);
    for (const [device, kernels] of [["all", fused] as const, ...SOME]) {
      withKernels(kernels, all).forEach((values, i) =>
        assertClose(values, plain[i]!, 2e-6, `${i ? `gradient ${i}` : "y"} with ${device}`)
      );
    }
    assert.deepEqual(all(), fast);
  });
}

Deno.test("addBias() is the same fused and plain, and keeps nothing", () => {
  const [x, bias] = [normal(7, 33), normal<tf.Rank.R1>(33)];
  const before = tf.memory().numTensors;
  const values = () =>
    tf.tidy(() => addBias(tf.mul(x, 2) as tf.Tensor2D, bias).dataSync<"float32">());
  assert.deepEqual(values(), withKernels({}, values));
  assert.equal(tf.memory().numTensors, before);
});

Deno.test("sumRows() and sumRowProducts() are the same fused and plain", () => {
  const [x, y] = [normal(200, 33), normal(200, 33)]; // three blocks and a part of one
  const values = () => [sumRows(x), sumRowProducts(x, y)].map((sum) => sum.dataSync<"float32">());
  const plain = withKernels({}, values);
  values().forEach((sum, i) => assertClose(sum, plain[i]!, 1e-6));
});

Deno.test("a port's product() is tf.matMul(), transposed first or not, and keeps nothing", () => {
  const a = normal(5, 300) as tf.Variable<tf.Rank.R2>;
  for (const rows of [127, 128]) {
    const b = normal(rows, 300) as tf.Variable<tf.Rank.R2>;
    const before = tf.memory().numTensors;
    const [ours, theirs] = [port().product(a, b, false, true), tf.matMul(a, b, false, true)];
    assert.deepEqual(ours.shape, theirs.shape);
    assertClose(ours.dataSync(), theirs.dataSync(), 1e-6);
    tf.dispose([ours, theirs]);
    assert.equal(tf.memory().numTensors, before);
  }
});

Deno.test("a text that is not a number leaves attention of the others as it is", () => {
  const clean = [normal(15, 6), normal(15, 6), normal(15, 6)]; // five tokens of three texts
  const compute = (...inputs: tf.Tensor[]) =>
    tf.tidy(() => {
      const [q, k, v] = inputs.map((x) => tf.variable(x)) as tf.Variable<tf.Rank.R2>[];
      const loss = () => tf.sum(attention(q!, k!, v!, tf.zeros([3, 5]), 2)) as tf.Scalar;
      const { grads } = tf.variableGrads(loss, [q!, k!, v!]);
      const y = attention(q!, k!, v!, tf.zeros([3, 5]), 2);
      const all = [y, ...[q!, k!, v!].map(({ name }) => grads[name]!)];
      return all.map((x) => [...x.dataSync()].slice(5 * 6)); // of the last two texts
    });
  for (const broken of [0, 1, 2]) {
    const inputs: tf.Tensor[] = [...clean];
    inputs[broken] = tf.add(clean[broken]!, tf.tensor2d([NaN, ...Array(14).fill(0)], [15, 1]));
    assert.deepEqual(compute(...inputs), compute(...clean));
  }
});

Deno.test("a port's sumOfSquares() is the sum over all numbers, of more and less than a block", () => {
  const backend = tf.backend() as unknown as TensorFlowBackend;
  for (const { sumOfSquares } of [port(), tensorFlowPort(backend, { binding: "" })]) {
    for (const shape of [[], [1], [7, 33], [16384], [3, 16384], [5, 10007]]) {
      const x = noise.normal(random, shape as [number, number]);
      const exact = x.dataSync<"float32">().reduce((sum, number) => sum + number ** 2, 0);
      assertClose(sumOfSquares([x]).dataSync(), [exact], 1e-6);
      assertClose(sumOfSquares([x, x]).dataSync(), [2 * exact], 1e-6);
    }
  }
});

Deno.test("adamWStep() is the same fused and plain", () => {
  const [weight, mean, gradient] = [normal(7, 33), normal(7, 33), normal(7, 33)];
  const square = tf.square(normal(7, 33));
  const numbers = {
    ...{ factor: 0.4, decay: 0.9, learningRate: 0.1 },
    ...{ beta1: 0.9, beta2: 0.999, epsilon: 1e-3, step: 3 },
  };
  const all = () => {
    const variables = [weight, mean, square].map((x) => tf.variable(x));
    const [w, m, s] = variables as [tf.Variable, tf.Variable, tf.Variable];
    adamWStep(w, m, s, gradient, numbers);
    return variables.map((x) => x.dataSync<"float32">());
  };
  const plain = withKernels({}, all);
  all().forEach((values, i) => assertClose(values, plain[i]!, 1e-6));
  assertClose(plain[1]!, tf.add(tf.mul(mean, 0.9), tf.mul(gradient, 0.04)).dataSync(), 1e-6);
});

Deno.test("adamWStep() takes a gradient in bfloat16 for the numbers that it has, fused and plain", () => {
  const gradient = normal(7, 33);
  const half = port().bf16!.cast(gradient, "bfloat16");
  const step = (gradient: tf.Tensor) => {
    const variables = [1, 0, 0].map((x) => tf.variable(tf.fill([7, 33], x)));
    const [weight, mean, square] = variables as [tf.Variable, tf.Variable, tf.Variable];
    adamWStep(weight, mean, square, gradient, {
      ...{ factor: 0.4, decay: 0.9, learningRate: 0.1 },
      ...{ beta1: 0.9, beta2: 0.999, epsilon: 1e-3, step: 1 },
    });
    return variables.map((x) => x.dataSync());
  };
  const both = () => assert.deepEqual(step(half), step(port().cast(half, "float32")));
  both();
  withKernels({}, both);
});

Deno.test("dropout() zeroes its share and keeps the mean", () => {
  const x = tf.ones([1000, 1000]);
  const values = dropout(x, 0.1, createRandom(1)).dataSync<"float32">();
  const zeros = values.filter((value) => value === 0).length / values.length;
  assert.ok(Math.abs(zeros - 0.1) < 0.0015, `${zeros}`); // five standard errors
  assertClose(
    values.filter((value) => value !== 0),
    new Float32Array(values.length * (1 - zeros)).fill(1 / 0.9),
    1e-6,
  );
  assert.equal(dropout(x, 0.1), x);
  assert.equal(dropout(x, 0, createRandom(1)), x);
});

Deno.test("dropout() refuses a rate that is none, and attention() heads that do not divide, on any device", () => {
  const x = tf.ones<tf.Rank.R2>([4, 6]);
  for (const kernels of [fused, {}]) {
    for (const rate of [NaN, -0.5, 1, 1.5, Infinity]) {
      assert.throws(() => withKernels(kernels, () => dropout(x, rate, createRandom(1))), {
        name: "RangeError",
        message: "Cannot apply dropout as 'rate' must be at least 0 and below 1: " +
          `current value is ${rate}`,
      });
    }
    for (const heads of [0, -2, 4, 12, 1.5, NaN, Infinity]) {
      assert.throws(() => withKernels(kernels, () => attention(x, x, x, tf.ones([2, 2]), heads)), {
        name: "RangeError",
        message:
          `Cannot compute attention as 'heads' must be a divisor of 6: current value is ${heads}`,
      });
    }
  }
});

Deno.test("crossEntropy() is the mean over rows, of any size of logits", () => {
  const logits = tf.tensor2d([[0, Math.log(3)], [1000, 0]]);
  const loss = crossEntropy(logits, tf.tensor1d([1, 1], "int32")).dataSync();
  assertClose(loss, [(Math.log(4 / 3) + 1000) / 2], 1e-6);
});

Deno.test("crossEntropy() with weights, and its gradient, are torch's", () => {
  assert.equal(imbalance.losses.length, 3);
  for (const { logits, labels, weights, loss, gradient } of imbalance.losses) {
    const { value, grad } = tf.valueAndGrad((x: tf.Tensor) =>
      crossEntropy(x as tf.Tensor2D, tf.tensor1d(labels, "int32"), tf.tensor1d(weights))
    )(tf.tensor2d(logits));
    assertClose(value.dataSync(), [loss], 1e-6);
    assertClose(grad.dataSync(), gradient.flat(), 1e-6);
  }
});

Deno.test("crossEntropy() is 0, and so is its gradient, where all rows weigh 0", () => {
  const { value, grad } = tf.valueAndGrad((x: tf.Tensor) =>
    crossEntropy(x as tf.Tensor2D, tf.tensor1d([1, 1], "int32"), tf.tensor1d([1, 0]))
  )(tf.tensor2d([[1, 2], [3, 4]]));
  assertClose(value.dataSync(), [0], 0);
  assertClose(grad.dataSync(), [0, 0, 0, 0], 0);
});
