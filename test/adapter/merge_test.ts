import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { assertClose } from "../helpers/close.ts";
import { fixture, KINDS, readReference } from "../helpers/reference.ts";
import {
  addLora,
  loadAdapter,
  loadClassifier,
  mergeAdapter,
  unmergeAdapter,
} from "lightweight-finetuning";

for (const kind of KINDS) {
  Deno.test(`mergeAdapter() gives peft's merged logits for ${kind}`, async () => {
    const reference = await readReference(kind);
    const model = await loadClassifier(reference.folder);
    const names = [...model.parameters.keys()];
    const adapter = await loadAdapter(model, `${reference.folder}/adapter`);
    const before = adapter.forward(reference.batch()).dataSync().slice();
    await mergeAdapter(adapter);
    assert.deepEqual([...model.parameters.keys()], names);
    const merged = model.forward(reference.batch()).dataSync();
    assertClose(merged, before, 1e-5);
    assertClose(merged, reference.numbers("lora.merged.logits"), 1e-5);
    assert.notDeepEqual(merged, before); // the update went through the weights, and was rounded there
  });
}

for (const option of ["lora/rslora", "lora/together", "lora/bias-all", "ia3/expression"]) {
  Deno.test(`unmergeAdapter() restores weights and adapter bit for bit with ${option}`, async () => {
    const reference = await readReference("roberta");
    const model = await loadClassifier(reference.folder);
    const numbers = () => [...model.parameters].map(([name, x]) => [name, x.dataSync().slice()]);
    const logits = () => tf.tidy(() => model.forward(reference.batch()).dataSync());
    const adapter = await loadAdapter(model, fixture(option));
    const [before, answers, tensors] = [numbers(), logits(), tf.memory().numTensors];
    await mergeAdapter(adapter);
    const merged = logits();
    assert.notDeepEqual(merged, answers);
    unmergeAdapter(adapter);
    assert.deepEqual(numbers(), before);
    assert.deepEqual(logits(), answers);
    assert.equal(tf.memory().numTensors, tensors);
    await mergeAdapter(adapter);
    assert.deepEqual(logits(), merged);
  });
}

for (const value of [NaN, Infinity]) {
  Deno.test(`mergeAdapter() refuses a weight of ${value} and changes nothing`, async () => {
    const reference = await readReference("bert");
    const model = await loadClassifier(reference.folder);
    const adapter = addLora(model);
    const numbers = () => [...model.parameters].map(([name, x]) => [name, x.dataSync().slice()]);
    const [, last] = [...adapter.layers.values()].slice(-2);
    last!.B.assign(tf.fill(last!.B.shape, value));
    const [before, linears, tensors] = [numbers(), [...model.linears], tf.memory().numTensors];
    await assert.rejects(mergeAdapter(adapter), {
      name: "RangeError",
      message: /'bert.encoder.layer.1.attention.self.value.weight' must stay finite/,
    });
    assert.deepEqual(numbers(), before);
    assert.deepEqual([...model.linears], linears);
    assert.equal(tf.memory().numTensors, tensors);
    last!.B.assign(tf.zeros(last!.B.shape));
    await mergeAdapter(adapter);
  });
}

Deno.test("mergeAdapter() merges once, however often it is called at the same time", async () => {
  const { folder, batch } = await readReference("roberta");
  const model = await loadClassifier(folder);
  const adapter = await loadAdapter(model, fixture("ia3/defaults"));
  const before = adapter.forward(batch()).dataSync();
  const tensors = tf.memory().numTensors;
  const [one, other] = await Promise.allSettled([mergeAdapter(adapter), mergeAdapter(adapter)]);
  assert.equal(one.status, "fulfilled");
  assert.match(`${(other as PromiseRejectedResult).reason}`, /must be enabled: .* is merged/);
  assertClose(tf.tidy(() => model.forward(batch()).dataSync()), before, 1e-5);
  unmergeAdapter(adapter);
  assert.equal(tf.memory().numTensors, tensors);
});

Deno.test("mergeAdapter() refuses weights at four bits and says where to merge instead", async () => {
  const { folder, batch } = await readReference("bert");
  const model = await loadClassifier(folder, { loadIn4bit: true });
  const adapter = await loadAdapter(model, fixture("lora/dora"));
  const before = model.forward(batch()).dataSync();
  await assert.rejects(mergeAdapter(adapter), {
    name: "TypeError",
    message: /query.weight' must be a float32 parameter: current value is int32. Load the adapter/,
  });
  assert.deepEqual(model.forward(batch()).dataSync(), before);
});
