import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { loadAdapter, loadClassifier, openDevice, type StoredTensor } from "lightweight-finetuning";
import { alteredCopy } from "./helpers/altered.ts";
import { fixture } from "./helpers/reference.ts";

await openDevice();

/** Puts NaN and infinity into one tensor of a file. */
const spoil = (name: string) => (tensors: Map<string, StoredTensor>) => {
  const data = tensors.get(name)!.data as Float32Array;
  data[3] = NaN;
  data[5] = -Infinity;
};
const fault = (name: string) => ({
  name: "RangeError",
  message: new RegExp(`'${name}'.* must be finite: 2 of \\d+ are not, the first, NaN, at index 3`),
});

Deno.test("loadClassifier() refuses weights that are not finite, and leaves no tensor", async () => {
  const name = "bert.encoder.layer.0.output.dense.weight";
  await using copy = await alteredCopy(fixture("bert"), { tensors: spoil(name) });
  const { numTensors } = tf.memory();
  await assert.rejects(loadClassifier(copy.path), fault(name));
  assert.equal(tf.memory().numTensors, numTensors);
});

Deno.test("loadAdapter() refuses weights that are not finite, and leaves the model as it was", async () => {
  const name = "bert.encoder.layer.0.attention.self.query.lora_A.weight";
  await using copy = await alteredCopy(fixture("bert/adapter"), {
    tensors: spoil(`base_model.model.${name}`),
  });
  const model = await loadClassifier(fixture("bert"));
  const before = [...model.parameters.values()].map((weight) => weight.dataSync().slice());
  const { numTensors } = tf.memory();
  await assert.rejects(loadAdapter(model, copy.path), fault(name));
  assert.equal(tf.memory().numTensors, numTensors);
  assert.deepEqual([...model.parameters.values()].map((weight) => weight.dataSync()), before);
});
