import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { openDevice } from "lightweight-finetuning";
import { recordOps } from "../../bench/profile.ts";

Deno.test("recordOps() counts ops and the bytes of their results until it is stopped", async () => {
  await openDevice();
  const [x, y] = [tf.ones([2, 3]), tf.ones([3, 4])];
  const { records, stop } = recordOps();
  const results = [tf.matMul(x, y), tf.add(x, 1), tf.greater(x, 0), tf.add(y, y)];
  stop();
  results.push(tf.add(x, x));
  const counts = (name: string) => {
    const { count, bytes } = records.get(name)!;
    return [count, bytes];
  };
  assert.deepEqual(counts("Add"), [2, 4 * (6 + 12)]);
  assert.deepEqual(counts("BatchMatMulV2"), [1, 4 * 8]);
  assert.deepEqual(counts("Greater"), [1, 6]);
  assert.deepEqual([...results[0]!.dataSync()], Array(8).fill(3));
  tf.dispose([x, y, ...results]);
});
