import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { assertClose } from "../close.ts";
import { KINDS, readReference } from "../fixtures/reference.ts";
import { loadAdapter, loadClassifier, mergeAdapter, unmergeAdapter } from "lightweight-finetuning";

for (const kind of KINDS) {
  Deno.test(`mergeAdapter() gives peft's merged logits for ${kind}`, async () => {
    const reference = await readReference(kind);
    const model = await loadClassifier(reference.folder);
    const names = [...model.parameters.keys()];
    const adapter = await loadAdapter(model, `${reference.folder}/adapter`);
    const before = adapter.forward(reference.batch()).dataSync().slice();
    const count = tf.memory().numTensors;
    mergeAdapter(adapter);
    assert.equal(adapter.merged, true);
    assert.equal(tf.memory().numTensors, count);
    assert.deepEqual([...model.parameters.keys()], names);
    const merged = model.forward(reference.batch()).dataSync();
    assertClose(merged, before, 1e-5);
    assertClose(merged, reference.numbers("lora.merged.logits"), 1e-5);
    assert.notDeepEqual(merged, before); // the update went through the weights, and was rounded there
  });

  Deno.test(`unmergeAdapter() restores the weights of ${kind}`, async () => {
    const reference = await readReference(kind);
    const model = await loadClassifier(reference.folder);
    const adapter = await loadAdapter(model, `${reference.folder}/adapter`);
    const before = new Map([...model.parameters].map(([name, x]) => [name, x.dataSync().slice()]));
    mergeAdapter(adapter);
    unmergeAdapter(adapter);
    assert.equal(adapter.merged, false);
    assert.deepEqual([...model.parameters.keys()], [...before.keys()]);
    for (const [name, variable] of model.parameters) {
      assertClose(variable.dataSync(), before.get(name)!, 1e-6, name);
    }
    assertClose(
      adapter.forward(reference.batch()).dataSync(),
      reference.numbers("lora.logits"),
      1e-5,
    );
    mergeAdapter(adapter);
    const merged = model.forward(reference.batch()).dataSync();
    assertClose(merged, reference.numbers("lora.merged.logits"), 1e-5);
  });
}

Deno.test("mergeAdapter() and unmergeAdapter() refuse to do it twice", async () => {
  const { folder } = await readReference("bert");
  const adapter = await loadAdapter(await loadClassifier(folder), `${folder}/adapter`);
  assert.throws(() => unmergeAdapter(adapter), {
    message: "Cannot unmerge the adapter as it is not merged",
  });
  mergeAdapter(adapter);
  assert.throws(() => mergeAdapter(adapter), {
    message: "Cannot merge the adapter as it is merged already",
  });
});
