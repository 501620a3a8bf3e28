import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { temporaryFolder } from "../../helpers/altered.ts";
import { assertClose, maxDifference } from "../../helpers/close.ts";
import { lossAndGradients } from "../../helpers/gradients.ts";
import { normal, uniform } from "../../helpers/noise.ts";
import { fixture, KINDS, readReference } from "../../helpers/reference.ts";
import { crash, outcome, resumableTrainer } from "../../helpers/resumable.ts";
import { examples } from "../../helpers/training.ts";
import {
  addIa3,
  createRandom,
  type Ia3Config,
  loadAdapter,
  loadClassifier,
  removeAdapter,
  saveAdapter,
  Trainer,
} from "lightweight-finetuning";

const layer = (i: number, module: string) => `bert.encoder.layer.${i}.${module}`;
const load = () => loadClassifier(fixture("bert"));
const [KEY, VALUE] = ["attention.self.key", "attention.self.value"];
const [ATTENTION, FEED_FORWARD] = ["attention.output.dense", "output.dense"];

for (const kind of KINDS) {
  Deno.test(`addIa3() changes no logit of ${kind}, until a factor is no longer one`, async () => {
    const { folder, batch } = await readReference(kind);
    const base = (await loadClassifier(folder)).forward(batch()).dataSync();
    for (const options of [{}, { targetModules: "all-linear" }]) {
      const { layers, forward } = addIa3(await loadClassifier(folder), options);
      assert.deepEqual(forward(batch()).dataSync(), base);
      for (const { l } of layers.values()) l.assign(uniform(createRandom(1), l.shape));
      assert.ok(maxDifference(forward(batch()).dataSync(), base) > 0.01);
    }
    const random = addIa3(await loadClassifier(folder), { initIa3Weights: false });
    assert.ok(maxDifference(random.forward(batch()).dataSync(), base) > 0.01);
  });

  Deno.test(`addIa3() leaves all of ${kind} but its factors and the head as it was`, async () => {
    const reference = await readReference(kind);
    const adapter = addIa3(await loadClassifier(reference.folder));
    const before = new Map(
      [...adapter.parameters].map(([name, x]) => [name, x.dataSync<"float32">().slice()]),
    );
    const rows = examples(reference, 3);
    await new Trainer(adapter, { trainDataset: rows, evalDataset: rows, learningRate: 1e-2 })
      .train();
    for (const [name, variable] of adapter.parameters) {
      const isTrained = /\.ia3_l$|^(pre_)?classifier\.((dense|out_proj)\.)?\w+$/.test(name);
      assert.equal(variable.trainable, isTrained, name);
      const change = maxDifference(variable.dataSync<"float32">(), before.get(name)!);
      assert.ok(isTrained ? change > 1e-3 : change === 0, `${name} changed by ${change}`);
    }
  });
}

const CHOICES: [Partial<Ia3Config>, outputs: string[], inputs: string[]][] = [
  [{}, [layer(0, KEY), layer(0, VALUE), layer(1, KEY), layer(1, VALUE)], [
    layer(0, ATTENTION),
    layer(0, FEED_FORWARD),
    layer(1, ATTENTION),
    layer(1, FEED_FORWARD),
  ]],
  [{ targetModules: ["key"] }, [layer(0, KEY), layer(1, KEY)], []],
  [
    { targetModules: `.*\\.1\\.(${KEY}|${FEED_FORWARD})` },
    [layer(1, KEY)],
    [layer(1, FEED_FORWARD)],
  ],
  [
    { targetModules: `.*\\.1\\.${KEY}|.*\\.0\\.${VALUE}`, feedforwardModules: ["ue"] },
    [layer(1, KEY)],
    [layer(0, VALUE)],
  ],
  [
    { targetModules: ["key", "value"], feedforwardModules: ".*key", excludeModules: ".*1.*" },
    [layer(0, VALUE)],
    [layer(0, KEY)],
  ],
];

for (const [options, outputs, inputs] of CHOICES) {
  Deno.test(`addIa3() finds outputs and inputs to scale of ${JSON.stringify(options)}`, async () => {
    const { layers } = addIa3(await load(), options);
    const found = (isOutput: boolean) =>
      [...layers].filter(([, { l }]) => (l.shape[1] === 1) === isOutput).map(([name]) => name);
    assert.deepEqual(found(true).sort(), outputs.sort());
    assert.deepEqual(found(false).sort(), inputs.sort());
  });
}

const FAULTS: [Partial<Ia3Config>, RegExp][] = [
  [
    { targetModules: ["key"], feedforwardModules: ["output.dense"] },
    /'feedforwardModules' must be a regular expression, or a list of names, each of which 'targetModules' lists too: current value is \["output.dense"\]/,
  ],
  [
    { targetModules: ".*key", feedforwardModules: ["dense"] },
    /'feedforwardModules' must match existing names, such as self.key: .* of which dense matches nothing/,
  ],
  [{ feedforwardModules: ".*query" }, /of which \.\*query matches nothing/],
  [{ feedforwardModules: 3 as unknown as string }, /'feedforwardModules' must be .* is 3/],
  [{ initIa3Weights: 1 as unknown as true }, /'initIa3Weights' must be true or false/],
  [{ targetModules: ["q_proj"] }, /'targetModules' must match existing names/],
  [{ r: 8 } as Partial<Ia3Config>, /an option must be one of targetModules, .* is 'r'/],
];

for (const [options, message] of FAULTS) {
  Deno.test(`addIa3() refuses ${JSON.stringify(options)} and leaves the model as it was`, async () => {
    const model = await load();
    const [names, linears] = [[...model.parameters.keys()], [...model.linears]];
    const tensors = tf.memory().numTensors;
    assert.throws(() => addIa3(model, options), { message });
    assert.equal(tf.memory().numTensors, tensors);
    assert.deepEqual([...model.parameters.keys()], names);
    assert.deepEqual([...model.linears], linears);
    addIa3(model);
  });
}

for (const loadIn4bit of [false, true]) {
  const what = loadIn4bit ? " on weights at four bits" : "";
  Deno.test(`weight() and bias() are what apply() computes with${what}`, async () => {
    const model = await loadClassifier(fixture("bert"), { loadIn4bit });
    const { layers } = addIa3(model, { initIa3Weights: false });
    for (const { base, adapted } of layers.values()) {
      const x = normal<tf.Rank.R2>(createRandom(2), [5, base.shape[1]]);
      const product = tf.matMul(x, adapted.weight(), false, true);
      const expected = tf.add(product, adapted.bias()).dataSync();
      assertClose(adapted.apply(x).dataSync(), expected, 1e-5);
      assert.ok(maxDifference(expected as Float32Array, base.apply(x).dataSync()) > 0.01);
    }
  });
}

Deno.test("IA³ on 4-bit weights has the gradients of one on the same weights in float32", async () => {
  const { batch } = await readReference("bert");
  const [fourBit, plain] = [
    await loadClassifier(fixture("bert"), { loadIn4bit: true }),
    await load(),
  ];
  for (const [module, { weight }] of fourBit.linears) {
    tf.tidy(() => plain.parameters.get(`${module}.weight`)!.assign(weight()));
  }
  const [actual, expected] = await Promise.all(
    [fourBit, plain].map(async (model) =>
      lossAndGradients(await loadAdapter(model, fixture("ia3/defaults-bert")), batch())
    ),
  );
  assertClose([actual!.loss], [expected!.loss], 1e-6);
  assert.equal(actual!.gradients.size, 10);
  for (const [name, gradient] of actual!.gradients) {
    assertClose(gradient, expected!.gradients.get(name)!, 1e-5, name);
  }
});

Deno.test("addIa3() draws random factors by its seed", async () => {
  const first = async (seed?: number) => {
    const adapter = addIa3(await load(), { initIa3Weights: false, ...seed && { seed } });
    return [...adapter.layers.values()].map(({ l }) => l.dataSync<"float32">());
  };
  const [[one, two], [same], [other]] = await Promise.all([first(), first(42), first(43)]);
  assert.deepEqual(one, same);
  for (const different of [two, other]) assert.ok(maxDifference(one!, different!) > 0.1);
});

for (const targetModules of ["all-linear", ["key"], ".*\\.output\\.dense"]) {
  Deno.test(`saveAdapter() keeps IA³ on ${targetModules} whole`, async () => {
    const { folder: from, batch } = await readReference("bert");
    const adapter = addIa3(await loadClassifier(from), { targetModules, initIa3Weights: false });
    await using folder = await temporaryFolder();
    await saveAdapter(adapter, folder.path);
    const again = await loadAdapter(await loadClassifier(from), folder.path);
    assert.deepEqual(again.peftConfig, adapter.peftConfig);
    assert.deepEqual(again.forward(batch()).dataSync(), adapter.forward(batch()).dataSync());
    const card = await Deno.readTextFile(`${folder.path}/README.md`);
    assert.match(
      card,
      /^---\nlibrary_name: "peft"\ntags: \["transformers"\]\n---\n\n# IA³ adapter\n/,
    );
  });
}

Deno.test("removeAdapter() frees IA³ in any state", async () => {
  const model = await load();
  const tensors = tf.memory().numTensors;
  removeAdapter(addIa3(model, { targetModules: "all-linear" }));
  assert.equal(tf.memory().numTensors, tensors);
  assert.ok([...model.parameters.values()].every(({ trainable }) => trainable));
});

Deno.test("Trainer resumes IA³ as if it had not been interrupted, and names another configuration", async () => {
  const folders = await Promise.all([temporaryFolder(), temporaryFolder()]);
  await using whole = folders[0];
  await using broken = folders[1];
  const expected = await outcome(await resumableTrainer(whole.path, {}, "ia3"));
  await crash(broken.path, 7, {}, "ia3");
  const other = await resumableTrainer(broken.path, {}, "ia3");
  (other.model as ReturnType<typeof addIa3>).peftConfig.initIa3Weights = false;
  await assert.rejects(other.trainer.train(), /ia3\.initIa3Weights was true and is false/);
  assert.deepEqual(await outcome(await resumableTrainer(broken.path, {}, "ia3")), expected);
});
