import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { openDevice } from "lightweight-finetuning";
import { type Best, updateBest } from "../../lib/train/metrics.ts";
import { createSnapshot } from "../../lib/train/checkpoint.ts";
import { fixture, readExpected } from "../helpers/reference.ts";
import { readCases } from "../helpers/training.ts";

await openDevice();
const expected = await readExpected(fixture("trainer"));
const { stopping } = await readCases(fixture("trainer"));

Deno.test("updateBest() finds the best and waits as Transformers' early stopping does", () => {
  assert.equal(stopping.length, 24);
  for (const [i, { patience, lastStep, bestStep, ...rule }] of stopping.entries()) {
    let best: Best | undefined;
    let step = 0;
    for (const metric of expected.numbers(`stopping.${i}.metrics`)) {
      best = updateBest(best, metric, ++step, rule);
      if (best.waited >= patience) break;
    }
    assert.deepEqual([step, best?.step], [lastStep, bestStep], `case ${i}`);
  }
});

Deno.test("updateBest() has no best while no metric was a number", () => {
  const rule = { greaterIsBetter: true, earlyStoppingThreshold: 0 };
  const first = updateBest(undefined, NaN, 5, rule);
  assert.deepEqual(first, { metric: -Infinity, step: 0, waited: 0 });
  assert.deepEqual(updateBest(first, NaN, 10, rule), { metric: -Infinity, step: 0, waited: 1 });
});

Deno.test("createSnapshot() brings back the values of the last take(), and frees them", () => {
  const weight = tf.variable(tf.tensor1d([1, 2]));
  const before = tf.memory().numTensors;
  const snapshot = createSnapshot(new Map([["weight", weight]]));
  const set = (values: number[]) => tf.tidy(() => weight.assign(tf.tensor1d(values)));
  set([3, 4]);
  snapshot.restore(); // nothing was taken
  assert.deepEqual([...weight.dataSync()], [3, 4]);
  snapshot.take();
  set([5, 6]);
  snapshot.take();
  set([7, 8]);
  assert.equal(tf.memory().numTensors, before + 1);
  snapshot.restore();
  assert.deepEqual([...weight.dataSync()], [5, 6]);
  snapshot.dispose();
  assert.equal(tf.memory().numTensors, before);
  assert.deepEqual([...weight.dataSync()], [5, 6]);
});
