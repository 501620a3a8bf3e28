import assert from "node:assert/strict";
import { maxDifference } from "../close.ts";
import { KINDS, readReference } from "../fixtures/reference.ts";
import { examples } from "../fixtures/training.ts";
import {
  addLora,
  createRandom,
  loadClassifier,
  type LoraConfig,
  Trainer,
} from "lightweight-finetuning";

const loadTiny = async (kind: string) => await loadClassifier((await readReference(kind)).folder);

for (const kind of KINDS) {
  Deno.test(`addLora() changes no logit of ${kind}`, async () => {
    const reference = await readReference(kind);
    const model = await loadClassifier(reference.folder);
    const before = model.forward(reference.batch()).dataSync().slice();
    const { layers, forward } = addLora(model, { targetModules: ["query", "dense"] });
    assert.deepEqual(forward(reference.batch()).dataSync(), before);
    for (const { B } of layers.values()) {
      B.assign(createRandom(1).uniform(B.shape as [number, number]));
    }
    assert.ok(maxDifference(forward(reference.batch()).dataSync(), before) > 0.01);
  });

  Deno.test(`addLora() leaves all of ${kind} but A, B and the head as it was`, async () => {
    const reference = await readReference(kind);
    const adapter = addLora(await loadClassifier(reference.folder), { loraDropout: 0.1 });
    const before = new Map(
      [...adapter.parameters].map(([name, x]) => [name, x.dataSync<"float32">().slice()]),
    );
    const rows = examples(reference, 3);
    await new Trainer(adapter, { train: rows, evaluation: rows, learningRate: 1e-2 }).train();
    for (const [name, variable] of adapter.parameters) {
      const isTrained = /\.lora_[AB]\.weight$|^classifier\.((dense|out_proj)\.)?\w+$/.test(name);
      assert.equal(variable.trainable, isTrained, name);
      const change = maxDifference(variable.dataSync<"float32">(), before.get(name)!);
      assert.ok(isTrained ? change > 1e-3 : change === 0, `${name} changed by ${change}`);
    }
  });
}

Deno.test("addLora() draws A from U(-1/√in, 1/√in) by its seed", async () => {
  const first = async (seed?: number) => {
    const adapter = addLora(await loadTiny("bert"), { r: 128, ...seed && { seed } });
    return [...adapter.layers.values()].map(({ A }) => A.dataSync<"float32">());
  };
  const [[query, value], [same], [other]] = await Promise.all([first(), first(42), first(43)]);
  assert.deepEqual(query, same);
  for (const different of [value, other]) assert.ok(maxDifference(query!, different!) > 0.1);
  const limit = 1 / Math.sqrt(32);
  const [low, high] = [Math.min(...query!), Math.max(...query!)];
  // 4,096 numbers come within 1 % of both ends.
  assert.ok(low >= -limit && low < -0.99 * limit && high <= limit && high > 0.99 * limit);
});

Deno.test("addLora() adapts layers by the ends of their names, but none that is trained in full", async () => {
  const targetModules = [
    "attention.output.dense",
    "classifier.dense",
    "encoder.layer.0.attention.self.key",
  ];
  const model = await loadTiny("roberta");
  assert.throws(() => addLora(model, { targetModules }), { name: "RangeError" });
  const adapter = addLora(model, { targetModules, modulesToSave: ["out_proj"] });
  assert.deepEqual([...adapter.layers.keys()].sort(), [
    "classifier.dense",
    "roberta.encoder.layer.0.attention.output.dense",
    "roberta.encoder.layer.0.attention.self.key",
    "roberta.encoder.layer.1.attention.output.dense",
  ]);
});

const FAULTS: [Partial<LoraConfig>, RegExp][] = [
  [
    { targetModules: ["query", "q_proj"] },
    /must name linear layers of the model, such as .*self.query, .*\["query","q_proj"\], of which q_proj matches nothing/,
  ],
  [{ targetModules: [] }, /'targetModules' must name linear layers .* current value is \[\]/],
  [{ targetModules: ["uery"] }, /of which uery matches nothing/],
  [{ r: 0 }, /'r' must be a whole number above 0: current value is 0/],
  [{ r: 1.5 }, /'r' must be a whole number above 0: current value is 1.5/],
  [{ loraAlpha: 0 }, /'loraAlpha' must be above 0: current value is 0/],
  [{ loraDropout: 1 }, /'loraDropout' must be at least 0 and below 1: current value is 1/],
  [{ bias: "all" as "none" }, /'bias' must be "none": current value is "all"/],
];

for (const [options, message] of FAULTS) {
  Deno.test(`addLora() refuses ${JSON.stringify(options)} and leaves the model trainable`, async () => {
    const model = await loadTiny("bert");
    const count = model.parameters.size;
    assert.throws(() => addLora(model, options), { name: "RangeError", message });
    assert.equal(model.parameters.size, count);
    assert.ok([...model.parameters.values()].every(({ trainable }) => trainable));
  });
}

Deno.test("addLora() refuses a second adapter", async () => {
  const model = await loadTiny("bert");
  addLora(model);
  assert.throws(() => addLora(model), {
    message: "Cannot add an adapter as the model has one: merge it, or load the model anew",
  });
});
