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
      for (const count of [0, 1, 2, 3, 4, 5, 1001]) {
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
    for (const count of [0, 1, 2, 100_001]) {
      const numbers = tf.tidy(() => {
        const inputs = [tf.tensor1d([count], "int32"), tf.tensor1d([...key], "int32")];
        return rawOp("StatelessRandomNormal", inputs, types)[0]!.dataSync<"float32">();
      });
      assert.deepEqual(normalNumbers(count, key), numbers, `${[...key, count]}`);
    }
  }
});

const WORD = "an integer from -2147483648 to 4294967295";
const COUNT = "an integer from 0 to 2147483647";

Deno.test("random numbers are refused for a seed or a draw of more than 32 bits, or no count", async () => {
  await openDevice();
  const refused = (name: string, must: string, value: number) => ({
    name: "RangeError",
    message: `Cannot draw random numbers as '${name}' must be ${must}: current value is ${value}`,
  });
  for (const odd of [1.5, NaN, Infinity, 1e300, 2 ** 32, -(2 ** 31) - 1]) {
    assert.throws(() => createRandom(odd), refused("seed", WORD, odd));
    assert.throws(() => createRandom(1, odd), refused("draw", WORD, odd));
    const random = createRandom(1);
    random.draws = odd;
    assert.throws(() => random.key(), refused("draw", WORD, odd));
    for (const [key, name] of [[[odd, 1], "seed"], [[1, odd], "draw"]] as const) {
      assert.throws(() => uniformNumbers(2, key), refused(name, WORD, odd));
      assert.throws(() => normalNumbers(2, key), refused(name, WORD, odd));
      assert.throws(() => port().uniform([2], key), refused(name, WORD, odd));
      const dropped = port().kernels.dropout;
      const drop = () => tf.tidy(() => dropped!(tf.ones([2]), { rate: 0.5, key }));
      if (dropped) assert.throws(drop, refused(name, WORD, odd));
    }
  }
  for (const odd of [-1, 1.5, NaN, 2 ** 31, 1e300]) {
    assert.throws(() => uniformNumbers(odd, [1, 2]), refused("count", COUNT, odd));
    assert.throws(() => normalNumbers(odd, [1, 2]), refused("count", COUNT, odd));
    assert.throws(() => permutation(createRandom(1), odd), refused("count", COUNT, odd));
    assert.throws(() => port().uniform([odd], [1, 2]), refused("count", COUNT, odd));
  }
  const product = refused("count", COUNT, 2 ** 31);
  assert.throws(() => port().uniform([2 ** 16, 2 ** 15], [1, 2]), product);
});
