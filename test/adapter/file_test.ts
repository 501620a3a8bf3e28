import assert from "node:assert/strict";
import { parse } from "yaml";
import * as tf from "@tensorflow/tfjs-core";
import { assertClose, maxDifference } from "../helpers/close.ts";
import { alteredCopy, temporaryFolder } from "../helpers/altered.ts";
import { HOSTILE } from "../helpers/hostile.ts";
import { fixture, KINDS, readExpected, readReference } from "../helpers/reference.ts";
import {
  addIa3,
  addLora,
  loadAdapter,
  loadClassifier,
  type LoraConfig,
  readSafetensors,
  saveAdapter,
  type StoredTensor,
  writeSafetensors,
} from "lightweight-finetuning";

/** The YAML at a card's top. */
const metadata = (card: string) => parse(card.split(/^---$/m)[1]!);

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
    for (const file of ["adapter_model.safetensors", "adapter_config.json"]) {
      const [written, expected] = await Promise.all(
        [folder.path, `${from}/adapter`].map((folder) => Deno.readFile(`${folder}/${file}`)),
      );
      assert.deepEqual(written, expected, file);
    }
    const [card, theirs] = await Promise.all(
      [folder.path, `${from}/adapter`].map((folder) => Deno.readTextFile(`${folder}/README.md`)),
    );
    assert.deepEqual(metadata(card!), metadata(theirs!));
    assert.match(card!, /### Framework versions\n\n- PEFT 0.21.2\n$/);
  });

  Deno.test(`saveAdapter() keeps an adapter of ${kind} whole`, async () => {
    const { folder: from, batch } = await readReference(kind);
    const options = {
      r: 3,
      loraAlpha: 12,
      loraDropout: 0.2,
      targetModules: "all-linear",
      rankPattern: { "layer.1.*": 2, "layer.0.*": 1 }, // in an order that is not the alphabet's
      initLoraWeights: false,
    } as const;
    const adapter = addLora(await loadClassifier(from), options);
    await using folder = await temporaryFolder();
    await saveAdapter(adapter, `${folder.path}/lora/adapter`);
    const again = await loadAdapter(await loadClassifier(from), `${folder.path}/lora/adapter`);
    assert.deepEqual(again.peftConfig, adapter.peftConfig);
    assert.deepEqual(
      Object.keys((again.peftConfig as LoraConfig).rankPattern),
      Object.keys(options.rankPattern),
    );
    assert.deepEqual(again.forward(batch()).dataSync(), adapter.forward(batch()).dataSync());
  });
}

Deno.test("saveAdapter() leaves a model card that is there as it is", async () => {
  const adapter = addLora(await loadClassifier((await readReference("bert")).folder));
  await using folder = await temporaryFolder();
  await saveAdapter(adapter, folder.path);
  const card = await Deno.readTextFile(`${folder.path}/README.md`);
  assert.match(
    card,
    /^---\nlibrary_name: "peft"\ntags: \["lora","transformers"\]\n---\n\n# LoRA adapter\n/,
  );
  await Deno.writeTextFile(`${folder.path}/README.md`, "mine");
  await saveAdapter(adapter, folder.path);
  assert.equal(await Deno.readTextFile(`${folder.path}/README.md`), "mine");
});

// As version 0.2.0 wrote it.
const EARLIER = `---
base_model: me/base
library_name: peft
tags:
- base_model:adapter:me/base
- lora
- transformers
---

# LoRA adapter for me/base

Sorts texts into a, b; adapter_config.json says how it was trained. In Python,
\`peft.PeftModel.from_pretrained\` lays it onto the base model for sequence classification.

### Framework versions

- PEFT 0.20.0
`;

Deno.test("saveAdapter() replaces a card of its own, also of another method, and no other", async () => {
  const base = (await readReference("bert")).folder;
  await using folder = await temporaryFolder();
  const path = `${folder.path}/README.md`;
  const adapter = addLora(await loadClassifier(base));
  await saveAdapter(adapter, folder.path);
  const own = await Deno.readTextFile(path);
  await saveAdapter(addIa3(await loadClassifier(base)), folder.path);
  assert.match(await Deno.readTextFile(path), /\n# IA³ adapter\n/);
  await Deno.writeTextFile(path, EARLIER);
  await saveAdapter(adapter, folder.path);
  assert.equal(await Deno.readTextFile(path), own);
  const changed = [
    own.replace("library_name", "license: mit\nlibrary_name"),
    own.replace("\n###", "\nMore of it.\n\n###"),
    `${own}\nMore of it.\n`,
    own.replace("LoRA adapter", "News"),
    "---\nlibrary_name: peft\ntags:\n- lora\n---\n\n# Model Card for Model ID\n",
  ];
  for (const card of changed) {
    await Deno.writeTextFile(path, card);
    await saveAdapter(adapter, folder.path);
    assert.equal(await Deno.readTextFile(path), card);
  }
});

Deno.test("saveAdapter() writes a card in which no name or label means anything else", async () => {
  const base = (await readReference("bert")).folder;
  await using folder = await temporaryFolder();
  for (const baseModelNameOrPath of HOSTILE.filter(Boolean)) {
    const model = await loadClassifier(base);
    model.labels = ["x\n\n# y", "<b>", baseModelNameOrPath, "z"];
    await saveAdapter(addLora(model, { baseModelNameOrPath }), folder.path);
    model.dispose();
    const card = await Deno.readTextFile(`${folder.path}/README.md`);
    assert.deepEqual(metadata(card), {
      base_model: baseModelNameOrPath,
      library_name: "peft",
      tags: [`base_model:adapter:${baseModelNameOrPath}`, "lora", "transformers"],
    });
    assert.equal(card.split("\n").length, 15, card);
    assert.match(card, /\nSorts texts into x\\\\n\\\\n\\# y, \\<b\\>, .*, z; adapter_config/);
  }
});

/** Loads an altered copy of peft's adapter and compares it with what peft computes on the original. */
async function accepts(
  option: string,
  change: Parameters<typeof alteredCopy>[1],
  tolerance = 1e-5,
) {
  const folder = fixture(option);
  const expected = await readExpected(folder);
  const { kind } = JSON.parse(await Deno.readTextFile(`${folder}/expected.json`));
  const base = await readReference(kind);
  await using copy = await alteredCopy(folder, change);
  const adapter = await loadAdapter(await loadClassifier(base.folder), copy.path);
  assertClose(adapter.forward(base.batch()).dataSync(), expected.numbers("logits"), tolerance);
}

const renamed = (change: (name: string) => string) => (tensors: Map<string, StoredTensor>) => {
  for (const [name, tensor] of [...tensors]) {
    tensors.delete(name);
    tensors.set(change(name), tensor);
  }
};

Deno.test("loadAdapter() accepts tensors in F16", () =>
  accepts("lora/dora", {
    tensors(tensors) {
      for (const [name, { shape, data }] of tensors) {
        const numbers = new Float16Array(data as Float32Array);
        tensors.set(name, { dtype: "F16", shape, data: new Uint16Array(numbers.buffer) });
      }
    },
  }, 2e-3));

for (
  const [option, pattern, replacement] of [
    ["lora/dora", /lora_([AB])/, "lora_$1.default"],
    ["lora/dora", /lora_magnitude_vector/, "lora_magnitude_vector.default.weight"],
    ["lora/dora", /lora_magnitude_vector/, "lora_magnitude_vector.default"],
    ["lora/rslora", /classifier/, "classifier.modules_to_save"],
    ["lora/rslora", /classifier/, "classifier.modules_to_save.default"],
    ["lora/bias-lora-only", /base_layer\./, ""], // as peft wrote it when its layer was a linear one
    ["lora/gaussian", /base_model\.model\./, ""],
    ["ia3/defaults", /ia3_l/, "ia3_l.default"],
    ["ia3/defaults", /classifier/, "classifier.modules_to_save.default"],
  ] as const
) {
  Deno.test(`loadAdapter() accepts keys of ${option} with '${replacement}'`, () =>
    accepts(option, { tensors: renamed((name) => name.replace(pattern, replacement)) }));
}

Deno.test("loadAdapter() accepts an adapter_config.json of a few fields, without metadata beside it", async () => {
  const folder = fixture("lora/gaussian");
  const { r, lora_alpha, target_modules, ...rest } = JSON.parse(
    await Deno.readTextFile(`${folder}/adapter_config.json`),
  );
  const none = Object.fromEntries(Object.keys(rest).map((key) => [key, undefined]));
  const few = { ...none, peft_type: "LORA", task_type: "SEQ_CLS", r, lora_alpha, target_modules };
  await accepts("lora/gaussian", { json: few });
  await using copy = await alteredCopy(folder, { json: few });
  const path = `${copy.path}/adapter_model.safetensors`;
  await writeSafetensors(path, await readSafetensors(path), {});
  const base = await readReference("bert");
  const adapter = await loadAdapter(await loadClassifier(base.folder), copy.path);
  const logits = adapter.forward(base.batch()).dataSync();
  assertClose(logits, (await readExpected(folder)).numbers("logits"), 1e-5);
});

Deno.test("loadAdapter() warns of a field that it does not know, and goes on", async () => {
  const said: string[] = [];
  const { warn } = console;
  console.warn = (text) => said.push(text);
  try {
    await accepts("lora/rslora", { json: { use_magic: true, revision: "main" } });
  } finally {
    console.warn = warn;
  }
  assert.equal(said.length, 1);
  assert.match(said[0]!, /adapter_config.json: unknown fields are ignored: use_magic$/);
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
    error: new RegExp(`missing are \\[${short}\\], unexpected are \\[\\]; .* Does it belong to`),
  },
  {
    what: "a missing head",
    tensors: (tensors) => {
      tensors.delete("base_model.model.classifier.bias");
      tensors.delete("base_model.model.classifier.weight");
    },
    error:
      /missing are \[classifier.bias, classifier.weight\], unexpected are \[\]; it has \[.* and 4 more\]. Save it again with task_type="SEQ_CLS", or set task_type and modules_to_save to null in/,
  },
  {
    what: "an unexpected tensor",
    tensors: (tensors) => tensors.set(`${A}.extra`, tensors.get(A)!),
    error: new RegExp(`missing are \\[\\], unexpected are \\[${short}.extra\\]`),
  },
  {
    what: "two tensors of one parameter",
    tensors: (tensors) =>
      tensors.set(A.replace("lora_A", "lora_A.default"), {
        ...tensors.get(A)!,
        data: new Float32Array(128),
      }),
    error: new RegExp(`each tensor once: current value is two that differ for '${short}'`),
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
    error: new RegExp(`'${short}' of .* as weights as 'dtype' must be F32, F64, F16 or BF16`),
  },
  {
    what: "another kind of adapter",
    json: { peft_type: "OFT" },
    error: /'peft_type' must be LORA.*: current value is "OFT". Other adapters are not supported/,
  },
  {
    what: "another rank",
    json: { r: 3 },
    error: /lora_A.weight' must be \[3,32\]: current value is \[4,32\]. Do adapter_config.json and/,
  },
  {
    what: "another way to begin",
    json: { init_lora_weights: "pissa" },
    error:
      /adapter_config.json: .* 'initLoraWeights' must be true, false, "gaussian", .* "pissa". Others/,
  },
  {
    what: "another task",
    json: { task_type: "CAUSAL_LM" },
    error:
      /adapter_config.json: .* 'taskType' must be "SEQ_CLS" or null: current value is "CAUSAL_LM"/,
  },
  {
    what: "target modules that are none",
    json: { target_modules: 3 },
    error:
      /adapter_config.json: .* 'targetModules' must be a list of names, .*: current value is 3/,
  },
  ...Object.entries({
    fan_in_fan_out: true,
    lora_bias: true,
    use_qalora: true,
    alora_invocation_tokens: [1],
    trainable_token_indices: [1],
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

Deno.test("loadAdapter() says what is wrong with a folder that has no adapter", async () => {
  const { folder } = await readReference("bert");
  const model = await loadClassifier(folder);
  await using copy = await alteredCopy(`${folder}/adapter`, {});
  await Deno.rename(`${copy.path}/adapter_model.safetensors`, `${copy.path}/adapter_model.bin`);
  await assert.rejects(loadAdapter(model, copy.path), {
    name: "NotFound",
    message:
      /adapter_model.safetensors as it does not exist. Convert an adapter_model.bin with .* of peft/,
  });
  await Deno.truncate(`${copy.path}/adapter_config.json`, 100);
  await assert.rejects(loadAdapter(model, copy.path), {
    name: "TypeError",
    message: /^Cannot load .*adapter_config.json: /,
  });
});
