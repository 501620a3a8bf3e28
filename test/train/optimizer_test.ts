import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { adamW, clipFactor, gradientNorm, openDevice } from "lightweight-finetuning";
import { isDecayed } from "../../lib/train/optimizer.ts";
import { assertClose } from "../helpers/close.ts";
import { PEFT } from "../helpers/gradients.ts";
import { fixture } from "../helpers/reference.ts";
import { loadWay, readCases } from "../helpers/training.ts";

await openDevice();
const { decay } = await readCases(fixture("trainer"));

Deno.test("clipFactor() brings all gradients together to the norm, and only down", () => {
  const gradients = { a: tf.tensor1d([3, 0]), b: tf.tensor2d([[-4]]) };
  const clip = (maxNorm: number) => {
    const [norm] = gradientNorm(gradients).dataSync();
    assertClose([norm!], [5], 1e-7);
    return clipFactor(norm!, maxNorm);
  };
  assertClose([clip(1), clip(10), clip(Infinity)], [0.2, 1, 1], 1e-6);
});

Deno.test("adamW() steps by its moments' corrected quotient, and frees them", () => {
  const weight = tf.variable(tf.tensor1d([1, 1]));
  const before = tf.memory().numTensors;
  const optimizer = adamW(new Map([["weight", weight]]), { beta1: 0.5, beta2: 0.75, epsilon: 0.5 });
  const step = (gradient: number[]) =>
    tf.tidy(() => optimizer.step({ weight: tf.tensor1d(gradient) }, 0.1, 2));
  // Mean 1 and square 1, by 1/2 and 1/4.
  step([1, -1]);
  assertClose(weight.dataSync(), [1 - 0.1 * 2 / 2.5, 1 + 0.1 * 2 / 2.5], 1e-6);
  // Mean 1/2 and square 3/4, by 3/4 and 7/16.
  step([0, 0]);
  const change = 0.1 * (2 / 3) / (Math.sqrt(12 / 7) + 0.5);
  assertClose(weight.dataSync(), [0.92 - change, 1.08 + change], 1e-6);
  assert.equal(tf.memory().numTensors, before + 2);
  optimizer.dispose();
  assert.equal(tf.memory().numTensors, before);
});

Deno.test("adamW() shrinks weights beside the gradient's step, and no bias", () => {
  const parameters = new Map(
    ["dense.weight", "dense.bias"].map((name) => [name, tf.variable(tf.tensor1d([5]))]),
  );
  const optimizer = adamW(parameters, { weightDecay: 0.2 });
  const gradients = { "dense.weight": tf.tensor1d([3]), "dense.bias": tf.tensor1d([3]) };
  optimizer.step(gradients, 0.1); // Adam's first step is as long as the rate
  const after = [...parameters.values()].map((variable) => variable.dataSync()[0]!);
  assertClose(after, [5 * (1 - 0.1 * 0.2) - 0.1, 5 - 0.1], 1e-6);
  optimizer.dispose();
});

Deno.test("adamW() leaves a parameter without a gradient as it is", () => {
  const [used, unused] = [tf.variable(tf.tensor1d([1])), tf.variable(tf.tensor1d([1]))];
  const optimizer = adamW(new Map(Object.entries({ used, unused })), { weightDecay: 0.5 });
  optimizer.step({ used: tf.tensor1d([1]) }, 0.1);
  assert.notEqual(used.dataSync()[0], 1);
  assert.equal(unused.dataSync()[0], 1);
  optimizer.dispose();
});

for (const kind of ["bert", "roberta", "distilbert"]) {
  for (const way of ["full", "lora"] as const) {
    Deno.test(`isDecayed() decides on all that is trained as Trainer does, ${kind} ${way}`, async () => {
      const { parameters } = await loadWay(way, fixture(kind));
      const trained = [...parameters].flatMap(([name, { trainable }]) => trainable ? [name] : []);
      const { decayed, notDecayed } = decay[`${kind}.${way}`]!;
      const bare = (names: string[]) => names.map((name) => name.replace(PEFT, "")).sort();
      assert.deepEqual(trained.filter(isDecayed).sort(), bare(decayed));
      assert.deepEqual(trained.filter((name) => !isDecayed(name)).sort(), bare(notDecayed));
    });
  }
}

Deno.test("isDecayed() knows normalisation by a name's part, in any case", () => {
  const names = ["x.norm", "norm.weight", "RMSNorm.weight", "x.normal.weight", "enorm.weight"];
  assert.deepEqual(names.map(isDecayed), [false, false, false, true, true]);
});

Deno.test("adamW() changes no array or tensor that its moments were made from, nor follows one", () => {
  const [size, places] = [1000, 16];
  for (let place = 0; place < places; place++) { // memory is shared at some places only
    const numbers = new Float32Array(new ArrayBuffer(4 * (size + places)), 4 * place, size).fill(1);
    const other = tf.tensor1d(numbers);
    const moments = { mean: tf.variable(other, false), square: tf.variable(other.clone(), false) };
    const weight = tf.variable(tf.zeros([size]));
    const optimizer = adamW(new Map([["weight", weight]]));
    optimizer.moments.set("weight", moments);
    optimizer.step({ weight: tf.zeros([size]) }, 0.1, 1);
    assert.ok(numbers.every((x) => x === 1), `an array ${4 * place} bytes into its buffer`);
    assert.ok(other.dataSync().every((x) => x === 1));
    numbers.fill(5);
    for (const [moment, decay] of [[moments.mean, 0.9], [moments.square, 0.999]] as const) {
      assert.ok(
        moment.dataSync().every((x) => x === Math.fround(decay)),
        `${moment.dataSync()[0]}`,
      );
    }
    optimizer.dispose();
    tf.dispose([other, weight]);
  }
});
