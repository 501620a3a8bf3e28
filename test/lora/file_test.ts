import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { assertClose, maxDifference } from "../close.ts";
import { alteredCopy, temporaryFolder } from "../fixtures/altered.ts";
import { KINDS, readReference } from "../fixtures/reference.ts";
import {
  addLora,
  createRandom,
  loadAdapter,
  loadClassifier,
  saveAdapter,
  type StoredTensor,
} from "lightweight-finetuning";

const readJson = async (path: string) => JSON.parse(await Deno.readTextFile(path));

for (const kind of KINDS) {
  Deno.test(`loadAdapter() gives peft's logits for ${kind}`, async () => {
    const reference = await readReference(kind);
    const model = await loadClassifier(reference.folder);
    const untouched = model.forward(reference.batch()).dataSync().slice();
    const adapter = await loadAdapter(model, `${reference.folder}/adapter`);
    const logits = adapter.forward(reference.batch()).dataSync();
    assertClose(logits, reference.numbers("lora.logits"), 1e-5);
    assert.ok(maxDifference(logits, untouched) > 0.01);
  });

  Deno.test(`saveAdapter() writes what peft wrote for ${kind}`, async () => {
    const from = (await readReference(kind)).folder;
    const adapter = await loadAdapter(await loadClassifier(from), `${from}/adapter`);
    await using folder = await temporaryFolder();
    await saveAdapter(adapter, folder.path);
    const [written, expected] = await Promise.all(
      [folder.path, `${from}/adapter`].map((path) =>
        Deno.readFile(`${path}/adapter_model.safetensors`)
      ),
    );
    assert.ok(written!.length === expected!.length && written!.every((x, i) => x === expected![i]));
    const ours = await readJson(`${folder.path}/adapter_config.json`);
    const theirs = await readJson(`${from}/adapter/adapter_config.json`);
    // How A and B began is of no consequence once they are saved; the fixture's began as noise.
    assert.deepEqual([ours.init_lora_weights, theirs.init_lora_weights], [true, false]);
    for (const [field, value] of Object.entries(ours)) {
      if (field !== "init_lora_weights") assert.deepEqual(value, theirs[field], field);
    }
    assert.deepEqual(Object.keys(ours), Object.keys(theirs).filter((field) => field in ours));
    const card = await Deno.readTextFile(`${folder.path}/README.md`);
    assert.match(card, new RegExp(`^---\nbase_model: tiny-${kind}\nlibrary_name: peft\n`));
  });

  Deno.test(`saveAdapter() keeps an adapter of ${kind} whole`, async () => {
    const { folder: from, batch } = await readReference(kind);
    const options = { r: 3, loraAlpha: 12, loraDropout: 0.2, targetModules: ["dense"] };
    const adapter = addLora(await loadClassifier(from), options);
    const random = createRandom(1);
    for (const variable of adapter.parameters.values()) {
      if (variable.trainable) variable.assign(random.normal(variable.shape as [number]));
    }
    await using folder = await temporaryFolder();
    await saveAdapter(adapter, `${folder.path}/lora/adapter`);
    const again = await loadAdapter(await loadClassifier(from), `${folder.path}/lora/adapter`);
    assert.deepEqual(again.lora, adapter.lora);
    assert.deepEqual(again.forward(batch()).dataSync(), adapter.forward(batch()).dataSync());
  });
}

Deno.test("loadAdapter() accepts an adapter in F16 and peft's name of the adapter in keys", async () => {
  const reference = await readReference("roberta");
  await using half = await alteredCopy(`${reference.folder}/adapter`, {
    tensors(tensors) {
      for (const [name, { shape, data }] of [...tensors]) {
        const numbers = new Float16Array(data as Float32Array);
        tensors.delete(name);
        const other = name.replace(/lora_([AB])/, "lora_$1.default");
        tensors.set(other, { dtype: "F16", shape, data: new Uint16Array(numbers.buffer) });
      }
    },
  });
  const adapter = await loadAdapter(await loadClassifier(reference.folder), half.path);
  const logits = adapter.forward(reference.batch()).dataSync();
  assertClose(logits, reference.numbers("lora.logits"), 2e-3);
});

const A = "base_model.model.bert.encoder.layer.1.attention.self.value.lora_A.weight";
const short = A.replace("base_model.model.", "");
const FAULTS: {
  what: string;
  error: RegExp;
  json?: Record<string, unknown>;
  tensors?: (tensors: Map<string, StoredTensor>) => void;
}[] = [
  {
    what: "a missing tensor",
    tensors: (tensors) => tensors.delete(A),
    error: new RegExp(`missing are \\[${short}\\], unexpected are \\[\\]`),
  },
  {
    what: "a missing head",
    tensors: (tensors) => tensors.delete("base_model.model.classifier.bias"),
    error: /missing are \[classifier.bias\], unexpected are \[\]/,
  },
  {
    what: "an unexpected tensor",
    tensors: (tensors) => tensors.set(`${A}.extra`, tensors.get(A)!),
    error: new RegExp(`missing are \\[\\], unexpected are \\[${short}.extra\\]`),
  },
  {
    what: "a tensor of another shape",
    tensors: (tensors) => tensors.get(A)!.shape.reverse(),
    error: new RegExp(`'${short}' must be \\[4,32\\]: current value is \\[32,4\\]`),
  },
  {
    what: "a tensor of whole numbers",
    tensors: (tensors) =>
      tensors.set(A, { dtype: "I32", shape: [4, 32], data: new Int32Array(128) }),
    error: new RegExp(`'${short}' as weights as 'dtype' must be F32, F64, F16 or BF16`),
  },
  {
    what: "another kind of adapter",
    json: { peft_type: "IA3" },
    error: /'peft_type' must be "LORA": current value is "IA3"/,
  },
  {
    what: "target modules as an expression",
    json: { target_modules: "all-linear" },
    error: /'target_modules' must be a list of names: current value is "all-linear"/,
  },
  ...Object.entries({
    use_dora: true,
    use_rslora: true,
    bias: "lora_only",
    rank_pattern: { query: 4 },
    alpha_pattern: { query: 4 },
    init_lora_weights: "pissa",
    alora_invocation_tokens: [1],
    trainable_token_indices: [1],
    task_type: "CAUSAL_LM",
  }).map(([field, value]) => ({
    what: field,
    json: { [field]: value },
    error: new RegExp(`'${field}' must be .*Adapters with this option are not supported`),
  })),
];

for (const { what, error, ...change } of FAULTS) {
  Deno.test(`loadAdapter() refuses ${what} and leaves the model as it was`, async () => {
    const { folder, batch } = await readReference("bert");
    const model = await loadClassifier(folder);
    const before = model.forward(batch()).dataSync().slice();
    await using copy = await alteredCopy(`${folder}/adapter`, change);
    const count = tf.memory().numTensors;
    await assert.rejects(loadAdapter(model, copy.path), { name: "TypeError", message: error });
    assert.equal(tf.memory().numTensors, count);
    assert.ok([...model.parameters.values()].every(({ trainable }) => trainable));
    assert.deepEqual(model.forward(batch()).dataSync(), before);
    await loadAdapter(model, `${folder}/adapter`);
  });
}
