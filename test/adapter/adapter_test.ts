import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { maxDifference } from "../helpers/close.ts";
import { uniform } from "../helpers/noise.ts";
import { KINDS, readReference } from "../helpers/reference.ts";
import { examples } from "../helpers/training.ts";
import {
  addLora,
  type Classifier,
  createRandom,
  loadAdapter,
  loadClassifier,
  type LoraConfig,
  mergeAdapter,
  removeAdapter,
  Trainer,
} from "lightweight-finetuning";

const loadTiny = async (kind: string) => await loadClassifier((await readReference(kind)).folder);

for (const kind of KINDS) {
  Deno.test(`addLora() changes no logit of ${kind}, until B is no longer zero`, async () => {
    const { folder, batch } = await readReference(kind);
    const base = (await loadClassifier(folder)).forward(batch()).dataSync();
    for (const option of [{}, { initLoraWeights: "gaussian" }, { useRslora: true }] as const) {
      const options = { targetModules: "all-linear", ...option };
      const { layers, forward } = addLora(await loadClassifier(folder), options);
      assert.deepEqual(forward(batch()).dataSync(), base);
      for (const { B } of layers.values()) B.assign(uniform(createRandom(1), B.shape));
      assert.ok(maxDifference(forward(batch()).dataSync(), base) > 0.01);
    }
    // DoRA divides each row by its length and multiplies it again.
    const fresh = addLora(await loadClassifier(folder), { useDora: true }).forward(batch());
    assert.ok(maxDifference(fresh.dataSync(), base) < 1e-5);
    const random = addLora(await loadClassifier(folder), { initLoraWeights: false });
    assert.ok(maxDifference(random.forward(batch()).dataSync(), base) > 0.01);
  });

  Deno.test(`addLora() leaves all of ${kind} but A, B and the head as it was`, async () => {
    const reference = await readReference(kind);
    const adapter = addLora(await loadClassifier(reference.folder), { loraDropout: 0.1 });
    const before = new Map(
      [...adapter.parameters].map(([name, x]) => [name, x.dataSync<"float32">().slice()]),
    );
    const rows = examples(reference, 3);
    await new Trainer(adapter, { trainDataset: rows, evalDataset: rows, learningRate: 1e-2 })
      .train();
    for (const [name, variable] of adapter.parameters) {
      const isTrained = /\.lora_[AB]\.weight$|^(pre_)?classifier\.((dense|out_proj)\.)?\w+$/
        .test(name);
      assert.equal(variable.trainable, isTrained, name);
      const change = maxDifference(variable.dataSync<"float32">(), before.get(name)!);
      assert.ok(isTrained ? change > 1e-3 : change === 0, `${name} changed by ${change}`);
    }
  });
}

Deno.test("addLora() draws A from U(-1/√in, 1/√in) by its seed, and where nothing else is drawn", async () => {
  const first = async (seed?: number) => {
    const adapter = addLora(await loadTiny("bert"), { r: 128, ...seed && { seed } });
    return [...adapter.layers.values()].map(({ A }) => A.dataSync<"float32">());
  };
  const [[query, value], [same], [other]] = await Promise.all([first(), first(42), first(43)]);
  assert.deepEqual(query, same);
  const limit = 1 / Math.sqrt(32);
  const head = createRandom(42).uniform(128 * 32);
  const dropout = head.map((x) => (2 * x - 1) * limit);
  for (const different of [value, other, dropout]) {
    assert.ok(maxDifference(query!, different!) > 0.1);
  }
  const [low, high] = [Math.min(...query!), Math.max(...query!)];
  // 4,096 numbers come within 1 % of both ends.
  assert.ok(low >= -limit && low < -0.99 * limit && high <= limit && high > 0.99 * limit);
});

Deno.test("addLora() draws a gaussian A of deviation 1/r, and a B of its own kind where asked", async () => {
  const draw = async (initLoraWeights: LoraConfig["initLoraWeights"]) => {
    const adapter = addLora(await loadTiny("bert"), { r: 64, initLoraWeights });
    const { A, B } = [...adapter.layers.values()][0]!;
    return [A.dataSync<"float32">(), B.dataSync<"float32">()] as const;
  };
  const [A, zero] = await draw("gaussian");
  const mean = A.reduce((a, b) => a + b) / A.length;
  const deviation = Math.sqrt(A.reduce((a, b) => a + (b - mean) ** 2, 0) / A.length);
  assert.ok(Math.abs(mean) < 2e-3 && Math.abs(deviation - 1 / 64) < 1e-3, `${mean} ${deviation}`);
  assert.ok(Math.max(...A) > 3 / 64); // no uniform numbers of that deviation get so far
  assert.ok(zero.every((x) => x === 0));
  const [, B] = await draw(false);
  assert.ok(Math.max(...B) > 0.99 / 8 && Math.max(...B) <= 1 / 8); // 1/√r
});

/** Everything of a model that an adapter might change. */
const snapshot = (model: Classifier) => ({
  numbers: [...model.parameters].map(([name, x]) => [name, x.dataSync().slice(), x.trainable]),
  linears: [...model.linears],
  dispose: model.dispose,
});

const EVERYTHING: Partial<LoraConfig> = {
  bias: "all",
  useDora: true,
  modulesToSave: ["pooler"],
  initLoraWeights: false,
};

Deno.test("removeAdapter() gives back the model bit for bit, trainable, and frees the adapter", async () => {
  const reference = await readReference("bert");
  const model = await loadClassifier(reference.folder);
  model.parameters.get("bert.embeddings.word_embeddings.weight")!.trainable = false;
  const [before, tensors] = [snapshot(model), tf.memory().numTensors];
  const adapter = addLora(model, EVERYTHING);
  const rows = examples(reference, 1);
  await new Trainer(adapter, { trainDataset: rows, evalDataset: rows, learningRate: 1e-2 }).train();
  removeAdapter(adapter);
  assert.deepEqual(snapshot(model), before);
  assert.equal(tf.memory().numTensors, tensors);
  removeAdapter(adapter); // changes nothing
  const other = await loadAdapter(model, `${reference.folder}/adapter`);
  removeAdapter(adapter);
  assert.equal(other.state, "enabled");
  removeAdapter(other);
  assert.deepEqual(snapshot(model), before);
});

Deno.test("removeAdapter() leaves a merged model as it is, ready for another adapter", async () => {
  const { folder, batch } = await readReference("bert");
  const model = await loadClassifier(folder);
  const tensors = tf.memory().numTensors;
  const adapter = addLora(model, EVERYTHING);
  await mergeAdapter(adapter);
  const logits = () => tf.tidy(() => model.forward(batch()).dataSync());
  const merged = logits();
  removeAdapter(adapter);
  assert.deepEqual(logits(), merged);
  assert.equal(tf.memory().numTensors, tensors);
  addLora(model);
  assert.deepEqual(logits(), merged);
});

Deno.test("model.dispose() frees its adapter too, in any state", async () => {
  const { folder } = await readReference("bert");
  const tensors = tf.memory().numTensors;
  for (const change of [() => {}, mergeAdapter, removeAdapter]) {
    const model = await loadClassifier(folder);
    await change(addLora(model, EVERYTHING));
    model.dispose();
    assert.equal(tf.memory().numTensors, tensors);
  }
});

Deno.test("addLora() refuses a second adapter, whatever state the first is in", async () => {
  const { folder } = await readReference("bert");
  const model = await loadClassifier(folder);
  const message = "Cannot add an adapter as the model has one. Call removeAdapter on it first";
  const adapter = addLora(model);
  assert.throws(() => addLora(model), { message });
  await assert.rejects(loadAdapter(model, `${folder}/adapter`), { message });
  await mergeAdapter(adapter);
  assert.throws(() => addLora(model), { message });
});

for (const loadIn4bit of [false, true]) {
  Deno.test(`an adapter that fails half-way leaves nothing behind${loadIn4bit ? " at four bits" : ""}`, async () => {
    const { folder, batch } = await readReference("bert");
    const model = await loadClassifier(folder, { loadIn4bit });
    const logits = () => tf.tidy(() => model.forward(batch()).dataSync());
    const [before, linears, expected] = [snapshot(model), [...model.linears], logits()];
    const tensors = tf.memory().numTensors;
    const options: Partial<LoraConfig> = { useDora: true, bias: "all" };
    for (const [module, layer] of linears.filter(([name]) => /query|value/.test(name))) {
      const weight = () => {
        tf.square(layer.weight());
        throw new Error("out of memory");
      };
      model.linears.set(module, { ...layer, weight });
      assert.throws(() => addLora(model, options), { message: "out of memory" });
      model.linears.set(module, layer);
      assert.equal(tf.memory().numTensors, tensors);
      assert.deepEqual(snapshot(model), before);
    }
    assert.deepEqual(logits(), expected);
    addLora(model, options);
  });
}
