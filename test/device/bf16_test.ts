import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { openDevice } from "lightweight-finetuning";
import { announceBf16 } from "../../lib/device/bf16.ts";
import { port, useBf16, usePort } from "../../lib/device/port.ts";
import { toBf16, toFloat32 } from "../../lib/device/tensorflow.ts";
import { assertClose } from "../helpers/close.ts";

await openDevice();

Deno.test("where bfloat16 is slower announceBf16() says so, once", async (t) => {
  const { bf16, ...rest } = port();
  const slow = (milliseconds: number): typeof rest.product => (...given) => {
    const until = performance.now() + milliseconds;
    while (performance.now() < until);
    return bf16!.product(...given);
  };
  const warnings: string[] = [];
  const { warn } = console;
  console.warn = (text) => warnings.push(text);
  try {
    using _ = usePort({ ...rest, product: slow(0), bf16: { ...bf16!, product: slow(200) } });
    await announceBf16();
    await announceBf16();
  } finally {
    console.warn = warn;
  }
  assert.equal(warnings.length, 1);
  assert.match(
    warnings[0]!,
    /^bf16: products take \d+\.\d times as long in bfloat16 as in float32 here.* Leave out 'bf16'/,
  );
  await t.step("a device without it is refused", () => {
    using _ = usePort(rest);
    assert.throws(() => useBf16(), {
      message:
        "Cannot compute in bfloat16 as the device must have products of it: current value is none. " +
        "Leave out 'bf16'",
    });
  });
});

Deno.test("bfloat16 is float32 rounded to eight bits, ties to even", () => {
  const step = 2 ** -7; // between neighbours from 1 to 2
  const numbers = [
    1,
    -1.5,
    1 + step / 2,
    1 + 1.5 * step,
    1 + 0.51 * step,
    -0,
    3e38,
    -Infinity,
    NaN,
  ];
  const rounded = [1, -1.5, 1, 1 + 2 * step, 1 + step, -0, 3e38, -Infinity, NaN];
  tf.tidy(() => {
    const values = [...toFloat32(toBf16(tf.tensor1d(numbers))).dataSync()];
    assertClose([values[6]!], [rounded[6]!], 2 ** -8);
    assert.deepEqual(values.toSpliced(6, 1), rounded.toSpliced(6, 1));
  });
});

Deno.test("a product in bfloat16 is that of the rounded matrices, each transposed first or not", () => {
  const [a, b] = [tf.randomNormal<tf.Rank.R2>([5, 300]), tf.randomNormal<tf.Rank.R2>([300, 7])];
  const exact = tf.tidy(() =>
    port().product(toFloat32(toBf16(a)), toFloat32(toBf16(b))).dataSync()
  );
  using _ = useBf16();
  const before = tf.memory().numTensors; // with two copies
  tf.tidy(() => {
    const transposed = [tf.transpose(a), tf.transpose(b)] as [tf.Tensor2D, tf.Tensor2D];
    const products = [
      port().product(a, b),
      port().product(transposed[0], b, true),
      port().product(a, transposed[1], false, true),
    ];
    // The sum is rounded once, but for the order of additions.
    for (const product of products) {
      assertClose(port().cast(product, "float32").dataSync(), exact, 2 ** -8);
    }
  });
  assert.equal(tf.memory().numTensors, before);
  tf.dispose([a, b]);
  assert.equal(tf.memory().numTensors, before - 4);
});

Deno.test("a copy in bfloat16 is made once, follows assignments and goes with its tensor", () => {
  const before = tf.memory().numTensors;
  const variable = tf.tidy(() => tf.variable(tf.tensor1d([1, 2])));
  const copy = toBf16(variable);
  assert.equal(toBf16(variable), copy);
  assert.equal(toBf16(copy), copy);
  const clone = variable.clone();
  tf.tidy(() => variable.assign(tf.tensor1d([3, 4])));
  assert.deepEqual([...tf.tidy(() => toFloat32(toBf16(variable)).dataSync())], [3, 4]);
  assert.equal(toBf16(clone), copy);
  clone.dispose();
  assert.ok(copy.isDisposed);
  variable.dispose();
  assert.equal(tf.memory().numTensors, before);
});

Deno.test("an op of tfjs that gets bfloat16 throws, and so does reading", () => {
  tf.tidy(() => {
    const x = tf.ones<tf.Rank.R2>([4, 6]);
    const half = toBf16(x);
    const indices = tf.tensor1d([0], "int32");
    const ops: Record<string, () => unknown> = {
      "add to float32": () => tf.add(x, half),
      mul: () => tf.mul(half, 2),
      matMul: () => tf.matMul(half, half, false, true),
      transpose: () => tf.transpose(half),
      reshape: () => tf.reshape(half, [-1]),
      concat: () => tf.concat([half, half]),
      stack: () => tf.stack([half, half]),
      slice: () => tf.slice(half, 0, 1),
      gather: () => tf.gather(half, indices),
      sum: () => tf.sum(half),
      max: () => tf.max(half),
      softmax: () => tf.softmax(half),
      tanh: () => tf.tanh(half),
      where: () => tf.where(tf.greater(x, 0), half, half),
      isFinite: () => tf.isFinite(half),
      addN: () => tf.addN([half, half]),
      tile: () => tf.tile(half, [2, 1]),
      pad: () => tf.pad(half, [[0, 1], [0, 1]]),
      "a variable of it": () => tf.square(tf.variable(half)),
      dataSync: () => half.dataSync(),
    };
    const passed = Object.entries(ops).filter(([, run]) => {
      try {
        run();
        return true;
      } catch {
        return false;
      }
    });
    assert.deepEqual(passed.map(([name]) => name), []);
    assert.throws(ops.mul!, {
      name: "TypeError",
      message: "Cannot run Mul as its inputs must be float32: current value is bfloat16 [4,6]. " +
        "Cast it by the port",
    });
    // These three are right: the last two sum gradients, and their squares.
    assert.deepEqual(tf.cast(half, "float32").dataSync(), x.dataSync());
    assert.deepEqual(toFloat32(tf.add(half, half)).dataSync(), tf.add(x, x).dataSync());
    if (port().bf16!.stored === "bfloat16") {
      assert.equal(port().sumOfSquares([half, x]).dataSync()[0], 48);
    }
  });
});
