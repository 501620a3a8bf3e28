import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { createRandom, crossEntropy, openDevice } from "lightweight-finetuning";
import { dropout } from "../../lib/model/kernels.ts";
import { assertClose } from "../close.ts";

await openDevice();

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

Deno.test("crossEntropy() is the mean over rows, of any size of logits", () => {
  const logits = tf.tensor2d([[0, Math.log(3)], [1000, 0]]);
  const loss = crossEntropy(logits, tf.tensor1d([1, 1], "int32")).dataSync();
  assertClose(loss, [(Math.log(4 / 3) + 1000) / 2], 1e-6);
});
