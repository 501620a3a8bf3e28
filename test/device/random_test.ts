import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { createRandom, openDevice, permutation } from "lightweight-finetuning";
import { normalNumbers, uniformNumbers } from "../../lib/device/philox.ts";
import { port } from "../../lib/device/port.ts";
import { rawOp } from "../../lib/device/tensorflow.ts";

Deno.test("createRandom() gives the same numbers for the same seed and place in the stream", () => {
  const [first, same, other] = [1, 1, 2].map((seed) => createRandom(seed));
  const draw = (random = first!) => random.uniform(50);
  const [a, b] = [draw(), draw()];
  assert.notDeepEqual(a, b);
  assert.deepEqual([draw(same), draw(same)], [a, b]);
  assert.deepEqual(draw(createRandom(1, 1)), b);
  assert.equal(first!.draws, 2);
  assert.notDeepEqual(draw(other), a);
});

Deno.test("createRandom() draws uniform and normal numbers", () => {
  const count = 100_000;
  const random = createRandom(3);
  const uniform = random.uniform(count);
  const normal = random.normal(count);
  const mean = (values: Float32Array) => values.reduce((a, b) => a + b, 0) / count;
  const near = (value: number, expected: number, standardError: number) =>
    assert.ok(Math.abs(value - expected) < 5 * standardError, `${value}, not ${expected}`);
  assert.ok(uniform.every((value) => value >= 0 && value < 1));
  near(mean(uniform), 1 / 2, Math.sqrt(1 / 12 / count));
  near(mean(uniform.map((x) => x * x)), 1 / 3, Math.sqrt(4 / 45 / count));
  near(mean(normal), 0, Math.sqrt(1 / count));
  near(mean(normal.map((x) => x * x)), 1, Math.sqrt(2 / count));
});

Deno.test("permutation() is an order of all rows by the seed", () => {
  const rows = Array.from({ length: 100 }, (_, row) => row);
  const order = permutation(createRandom(5), 100);
  assert.deepEqual(order.toSorted((a, b) => a - b), rows);
  assert.notDeepEqual(order, rows);
  assert.deepEqual(permutation(createRandom(5), 100), order);
  assert.notDeepEqual(permutation(createRandom(6), 100), order);
  assert.deepEqual(permutation(createRandom(2 ** 31 - 1, 3), 7), [5, 0, 6, 1, 2, 3, 4]); // as ever
});

const BOUNDS = [0, 1, -1, 42, 2 ** 29, 2 ** 31 - 1, -(2 ** 31)];

Deno.test("uniformNumbers() has the device's bits, for any seed, draw and count", async () => {
  await openDevice();
  for (const seed of [...BOUNDS, 2 ** 32 - 1]) {
    for (const draw of BOUNDS) {
      for (const count of [1, 2, 3, 4, 5, 1001]) {
        const numbers = tf.tidy(() => port().uniform([count], [seed, draw]).dataSync<"float32">());
        assert.deepEqual(uniformNumbers(count, [seed, draw]), numbers, `${[seed, draw, count]}`);
      }
    }
  }
});

Deno.test("normalNumbers() are bit for bit those of the device", async () => {
  await openDevice();
  const types = { dtype: "TF_FLOAT", T: "TF_INT32", Tseed: "TF_INT32" } as const;
  for (const key of [[42, 0], [-7, 2 ** 31 - 1], [2 ** 31 - 1, -1]] as const) {
    for (const count of [1, 2, 100_001]) {
      const numbers = tf.tidy(() => {
        const inputs = [tf.tensor1d([count], "int32"), tf.tensor1d([...key], "int32")];
        return rawOp("StatelessRandomNormal", inputs, types)[0]!.dataSync<"float32">();
      });
      assert.deepEqual(normalNumbers(count, key), numbers, `${[...key, count]}`);
    }
  }
});

Deno.test("createRandom() refuses a seed that is no integer of 32 bits", () => {
  for (const seed of [1.5, NaN, 2 ** 32, -(2 ** 31) - 1]) {
    assert.throws(() => createRandom(seed), {
      name: "RangeError",
      message: /'seed' must be an integer of 32 bits: current value is /,
    });
  }
});
