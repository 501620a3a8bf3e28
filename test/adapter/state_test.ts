import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { maxDifference } from "../helpers/close.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { fixture, readReference } from "../helpers/reference.ts";
import {
  disableAdapter,
  enableAdapter,
  loadAdapter,
  loadClassifier,
  mergeAdapter,
  removeAdapter,
  saveAdapter,
  saveModel,
  trainableParameters,
  unmergeAdapter,
} from "lightweight-finetuning";

// Adapters that change the base in every way: its head, biases, and modules trained in full.
const OPTIONS = [
  ...["lora/dora", "lora/bias-all-bert", "lora/bias-lora-only", "lora/modules-to-save"],
  ...["ia3/defaults-bert", "ia3/modules-to-save"],
];
for (const option of OPTIONS) {
  Deno.test(`disableAdapter() and enableAdapter() exchange base and adapter bit for bit with ${option}`, async () => {
    const { folder, batch } = await readReference("bert");
    const model = await loadClassifier(folder);
    const logits = () => tf.tidy(() => model.forward(batch()).dataSync<"float32">());
    const numbers = () => [...model.parameters].map(([name, x]) => [name, x.dataSync().slice()]);
    const base = { logits: logits(), numbers: numbers() };
    const adapter = await loadAdapter(model, fixture(option));
    const adapted = { logits: logits(), numbers: numbers() };
    const count = trainableParameters(adapter);
    const tensors = tf.memory().numTensors;
    for (let i = 0; i < 2; i++) {
      disableAdapter(adapter);
      assert.deepEqual({ logits: logits(), numbers: numbers() }, base);
      assert.equal(trainableParameters(adapter).trainable, 0);
      assert.equal(trainableParameters(adapter).all, count.all);
      enableAdapter(adapter);
      assert.deepEqual({ logits: logits(), numbers: numbers() }, adapted);
      assert.deepEqual(trainableParameters(adapter).trainable, count.trainable);
    }
    assert.ok(maxDifference(base.logits, adapted.logits) > 0.01);
    assert.equal(tf.memory().numTensors, tensors);
    disableAdapter(adapter);
    removeAdapter(adapter);
    assert.deepEqual({ logits: logits(), numbers: numbers() }, base);
  });
}

Deno.test("a disabled adapter is saved as it is, and its model as the base is", async () => {
  const { folder: from } = await readReference("bert");
  await using folder = await temporaryFolder();
  const [model, path] = [await loadClassifier(from), fixture("lora/bias-all-bert")];
  const adapter = await loadAdapter(model, path);
  disableAdapter(adapter);
  await saveAdapter(adapter, `${folder.path}/adapter`);
  await saveModel(model, `${folder.path}/model`);
  const bytes = (folder: string, name: string) => Deno.readFile(`${folder}/${name}.safetensors`);
  assert.deepEqual(
    await bytes(`${folder.path}/adapter`, "adapter_model"),
    await bytes(path, "adapter_model"),
  );
  assert.deepEqual(await bytes(`${folder.path}/model`, "model"), await bytes(from, "model"));
});

Deno.test("each verb says which state it asks for, and what leads there", async () => {
  const { folder: from } = await readReference("bert");
  await using folder = await temporaryFolder();
  const adapter = await loadAdapter(await loadClassifier(from), `${from}/adapter`);
  const refuses = (verb: () => void | Promise<void>, message: string) =>
    assert.rejects(async () => await verb(), { message: `Cannot ${message}` });
  const enabled = "enabled: current value is";
  await refuses(
    () => enableAdapter(adapter),
    `enable the adapter as it must be disabled: current value is enabled`,
  );
  await refuses(
    () => unmergeAdapter(adapter),
    "unmerge the adapter as it must be merged: current value is enabled",
  );
  await mergeAdapter(adapter);
  const unmerge = "merged. Call unmergeAdapter first";
  await refuses(
    () => mergeAdapter(adapter),
    `merge the adapter as it must be ${enabled} ${unmerge}`,
  );
  await refuses(
    () => disableAdapter(adapter),
    `disable the adapter as it must be ${enabled} ${unmerge}`,
  );
  unmergeAdapter(adapter);
  disableAdapter(adapter);
  const enable = "disabled. Call enableAdapter first";
  await refuses(
    () => mergeAdapter(adapter),
    `merge the adapter as it must be ${enabled} ${enable}`,
  );
  removeAdapter(adapter);
  const again = "removed. Add or load it again";
  await refuses(() => mergeAdapter(adapter), `merge the adapter as it must be ${enabled} ${again}`);
  await assert.rejects(saveAdapter(adapter, folder.path), {
    message:
      `Cannot save the adapter as it must be enabled or disabled or merged: current value is ${again}`,
  });
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});
