import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { assertClose, maxDifference } from "../helpers/close.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { assertGradients, lossAndGradients, withoutGradient } from "../helpers/gradients.ts";
import { fixture, readExpected, readReference } from "../helpers/reference.ts";
import { trainOnBatches } from "../helpers/training.ts";
import {
  type Adapter,
  addIa3,
  addLora,
  type Batch,
  type Classifier,
  createRandom,
  loadAdapter,
  loadClassifier,
  type LoraConfig,
  mergeAdapter,
  saveAdapter,
  trainableParameters,
} from "lightweight-finetuning";
import { type DevicePort, port, usePort } from "../../lib/device/port.ts";

// One folder for each option of a method, written by peft: test/fixtures/adapters.py.
const OPTIONS = ["lora", "ia3"].flatMap((method) =>
  [...Deno.readDirSync(fixture(method))].map(({ name }) => `${method}/${name}`).sort()
);

async function loadOption(option: string) {
  const folder = fixture(option);
  const expected = await readExpected(folder);
  const notes: { kind: string; trained: string[]; trainableParameters: string } = JSON.parse(
    await Deno.readTextFile(`${folder}/expected.json`),
  );
  const base = await readReference(notes.kind);
  const model = await loadClassifier(base.folder, { dropout: 0 });
  const untouched = model.forward(base.batch()).dataSync<"float32">();
  const adapter = await loadAdapter(model, folder);
  return { folder, base, batch: base.batch(), untouched, adapter, expected, notes };
}

/** Has dropout drop what FixedDropout of test/fixtures/adapters.py drops. */
const fixedUniform: DevicePort["uniform"] = ([rows = 0, width = 0], [, draw]) => {
  const isKept = (_: unknown, i: number) => (i % width + draw) % 4 ? 1 : 0;
  return tf.tensor2d(Float32Array.from({ length: rows * width }, isKept), [rows, width]);
};

for (const option of OPTIONS) {
  Deno.test(`loadAdapter() gives peft's logits with ${option}, and trains what peft trains`, async () => {
    const { adapter, batch, untouched, expected, notes } = await loadOption(option);
    const logits = adapter.forward(batch).dataSync<"float32">();
    assertClose(logits, expected.numbers("logits"), 1e-5);
    assert.ok(maxDifference(logits, untouched) > 0.01);
    const trainable = [...adapter.parameters].filter(([, variable]) => variable.trainable);
    assert.deepEqual(trainable.map(([name]) => name).sort(), notes.trained);
    assert.equal(String(trainableParameters(adapter)), notes.trainableParameters);
    await mergeAdapter(adapter);
    const merged = adapter.forward(batch).dataSync<"float32">();
    assertClose(merged, expected.numbers("merged.logits"), 1e-5);
  });

  Deno.test(`saveAdapter() writes what peft wrote with ${option}`, async () => {
    const { adapter, folder: from } = await loadOption(option);
    await using folder = await temporaryFolder();
    await saveAdapter(adapter, folder.path);
    const [ours, theirs] = await Promise.all([folder.path, from].map(async (folder) => ({
      tensors: await Deno.readFile(`${folder}/adapter_model.safetensors`),
      config: await Deno.readTextFile(`${folder}/adapter_config.json`),
    })));
    assert.deepEqual(ours!.tensors, theirs!.tensors);
    // Without a task peft notes the class of the base too, and EVA's options, which its beginning alone needs.
    const config = theirs!.config.replace(/"(auto_mapping|eva_config)": \{[^}]*\}/, '"$1": null');
    assert.equal(ours!.config, config);
  });

  const { expected: { group } } = await loadOption(option);
  if (!group("grad.").size) continue;

  Deno.test(`every gradient of one step with ${option} is PyTorch's`, async () => {
    const { adapter, batch, expected } = await loadOption(option);
    const random = (adapter.peftConfig as Partial<LoraConfig>).loraDropout
      ? createRandom(0)
      : undefined;
    const model = { ...adapter, forward: (batch: Batch) => adapter.forward(batch, random) };
    const tensors = tf.memory().numTensors;
    using _fixed = usePort({ ...port(), kernels: {}, uniform: fixedUniform });
    const { loss, gradients } = lossAndGradients(model, batch);
    assert.equal(tf.memory().numTensors, tensors);
    assertClose([loss], expected.numbers("loss"), 1e-5);
    assertGradients(gradients, expected.group("grad."));
  });

  if (!group("after5.").size) continue;

  Deno.test(`Trainer changes the adapter with ${option} in 5 steps as Transformers' does`, async () => {
    const { adapter, base, expected } = await loadOption(option);
    const history = await trainOnBatches(adapter, base, 5);
    assertClose(history.map(({ loss }) => loss!), expected.numbers("losses"), 1e-4);
    for (const [name, after] of expected.group("after5.")) {
      // Adam scales up what rounding leaves of a gradient that is none.
      const tolerance = withoutGradient(name) ? 1e-1 : 1e-4;
      assertClose(adapter.parameters.get(name)!.dataSync(), after, tolerance, name);
    }
  });
}

const DEFAULTS: [option: string, add: (model: Classifier) => Adapter][] = [
  ["lora/defaults-electra", addLora],
  ["ia3/defaults", addIa3],
  ["ia3/defaults-bert", addIa3],
];

for (const [option, add] of DEFAULTS) {
  Deno.test(`without targetModules, those of peft are adapted in ${option}`, async () => {
    const { adapter: theirs, base } = await loadOption(option);
    const ours = add(await loadClassifier(base.folder));
    assert.deepEqual([...ours.layers.keys()], [...theirs.layers.keys()]);
    assert.deepEqual([...ours.parameters.keys()], [...theirs.parameters.keys()]);
  });
}
