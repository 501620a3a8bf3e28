import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { alteredCopy, temporaryFolder } from "../helpers/altered.ts";
import { fixture } from "../helpers/reference.ts";
import { loadAdapter, loadClassifier } from "lightweight-finetuning";
import { families } from "../../lib/model/families/families.ts";
import { methods } from "../../lib/adapter/methods.ts";

// Written by peft: test/fixtures/peft_fields.py.
const FIELDS: Record<string, Record<string, unknown>> = JSON.parse(
  await Deno.readTextFile(fixture("peft_fields.json")),
);

/** Fields that change nothing in a saved adapter, and why. */
const IRRELEVANT: Record<string, string> = {
  auto_mapping: "how peft finds the base's class",
  corda_config: "the initial values, which the file replaces",
  ensure_weight_tying: "ties the embeddings to a language model's head; a classifier has none",
  eva_config: "the initial values, which the file replaces",
  inference_mode: "whether peft trains it; here the caller decides",
  loftq_config: "the initial values; init_lora_weights is refused where they change the base",
  lora_ga_config: "the initial values; init_lora_weights is refused where they change the base",
  megatron_core: "counts with megatron_config alone",
  peft_type: "chooses the method",
  peft_version: "a note",
  qalora_group_size: "counts with use_qalora alone",
  revision: "where peft finds the base",
  runtime_config: "never written to a file",
};

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const names = families.bert.layer(0);
const OPTION: Record<string, string> = { LORA: "lora/rslora", IA3: "ia3/defaults" };

/** Loads a fixture with other fields onto its base. */
async function load(option: string, json: Record<string, unknown>) {
  await using copy = await alteredCopy(fixture(option), { json });
  const { kind } = JSON.parse(await Deno.readTextFile(fixture(`${option}/expected.json`)));
  const model = await loadClassifier(fixture(kind));
  const tensors = tf.memory().numTensors;
  const before = [[...model.parameters], [...model.linears]];
  try {
    return await loadAdapter(model, copy.path);
  } catch (error) {
    assert.equal(tf.memory().numTensors, tensors);
    assert.deepEqual([[...model.parameters], [...model.linears]], before);
    throw error;
  }
}

for (const method of methods) {
  const { peftType, unsupported } = method;
  const defaults = method.defaults(names, {}) as unknown as Record<string, unknown>;
  const honoured = new Map(Object.entries(defaults).map(([name, x]) => [snakeCase(name), x]));
  const fields = FIELDS[peftType]!;
  const option = OPTION[peftType]!;

  Deno.test(`every field of ${peftType} is honoured, refused or irrelevant, and no other is known`, () => {
    for (const field of Object.keys(fields)) {
      const places = [honoured.has(field), field in unsupported, field in IRRELEVANT];
      assert.equal(places.filter(Boolean).length, 1, `${field}: ${places}`);
    }
    for (const field of [...honoured.keys(), ...Object.keys(unsupported)]) {
      assert.ok(field in fields, field);
    }
  });

  Deno.test(`fields of ${peftType} that are missing have peft's defaults`, async () => {
    const missing = Object.fromEntries(
      Object.keys(fields).filter((field) => field !== "peft_type").map((
        field,
      ) => [field, undefined]),
    );
    const kept = {
      target_modules: ["query", "value"],
      task_type: "SEQ_CLS",
      ...peftType === "LORA" ? { r: 2 } : { feedforward_modules: [] },
    };
    const adapter = await load(peftType === "LORA" ? "lora/rslora" : "ia3/no-feedforward", {
      ...missing,
      ...kept,
      ...peftType === "IA3" && { target_modules: ["key", "value", "output.dense"] },
    });
    for (const [name, value] of Object.entries(adapter.peftConfig)) {
      const field = snakeCase(name);
      if (field in kept || field === "modules_to_save") continue;
      assert.deepEqual(value, fields[field] ?? (name === "baseModelNameOrPath" ? "" : null), field);
    }
  });

  Deno.test(`loadAdapter() refuses fields of ${peftType} that are not supported, by name`, async () => {
    for (const [field, off] of Object.entries(unsupported)) {
      for (const value of off === null ? [[], {}, [1], "x", 0] : [true, 1, "false", []]) {
        await assert.rejects(load(option, { [field]: value }), {
          name: "TypeError",
          message: new RegExp(`^Cannot load .*adapter_config.json: '${field}' must be ${off}: `),
        });
      }
      await load(option, { [field]: null });
    }
  });

  Deno.test(`fields of ${peftType} that are irrelevant may have any value`, async () => {
    const irrelevant = Object.keys(IRRELEVANT).filter((field) => field !== "peft_type");
    for (const value of [null, 7, { a: [1] }]) {
      const odd = Object.fromEntries(irrelevant.map((field) => [field, value]));
      const [plain, other] = [await load(option, {}), await load(option, odd)];
      assert.deepEqual(other.peftConfig, plain.peftConfig);
    }
  });
}

const NUMBERS = [null, -1, 0, 1.5, 1e9, 1e400, "8", true, [8], {}];
const FLAGS = [0, 1, "true", [], {}];
const WRONG: Record<string, Record<string, unknown[]>> = {
  LORA: {
    r: NUMBERS,
    lora_alpha: NUMBERS.filter((x) => x !== 1.5 && x !== 1e9),
    lora_dropout: [null, -0.1, 1, 5, "0.5", false, [0.5], {}],
    bias: [null, "x", "None", true, ["all"], {}],
    use_dora: FLAGS,
    use_rslora: FLAGS,
    init_lora_weights: [0, 1, "x", "pissa", "pissa_niter_4", "olora", "corda", "loftq", "mica", {}],
    layers_to_transform: [-1, 1.5, "1", [1.5], ["0"], [null], [99], {}, true],
    layers_pattern: ["layer", ["layer"], 3, {}],
    rank_pattern: [null, [], [1], "query", { query: 0 }, { query: "3" }, { query: 1e9 }, {
      "(": 1,
    }],
    alpha_pattern: [null, [], "query", { query: 0 }, { query: null }, { query: {} }, {
      "(?x)a": 1,
    }],
  },
  IA3: {
    feedforward_modules: [3, true, {}, [1], "(", ["none"]],
    init_ia3_weights: FLAGS,
  },
};
const EVERY: Record<string, unknown[]> = {
  target_modules: [
    {},
    [],
    "",
    3,
    true,
    [1],
    [null],
    "(",
    "(?x)a",
    "nothing",
    ["nothing"],
    "(.*)*,",
  ],
  exclude_modules: [3, true, {}, [1], "[", ".*", "a**"],
  modules_to_save: ["pooler", 3, {}, [1], [""], ["cl.*"], ["query("], ["encoder"]],
  task_type: ["CAUSAL_LM", "seq_cls", 1, {}, []],
  base_model_name_or_path: [3, {}, [], true],
  peft_type: [undefined, null, "", "lora", "LOHA", 3, {}, "constructor", "__proto__"],
};

for (const { peftType } of methods) {
  for (const [field, values] of Object.entries({ ...EVERY, ...WRONG[peftType] })) {
    Deno.test(`loadAdapter() refuses a ${field} of ${peftType} that is out of range, or of another type`, async () => {
      for (const value of values) {
        await assert.rejects(load(OPTION[peftType]!, { [field]: value }), (error: Error) => {
          assert.equal(error.name, "TypeError", `${error}`);
          assert.match(error.message, /^Cannot load .*adapter_config\.json: .*(must|as it) /s);
          const name = field.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
          const pattern = new RegExp(`'(${field}|${name})'|Cannot match names by '`);
          assert.match(error.message, pattern, JSON.stringify(value));
          return true;
        });
      }
    });
  }
}

for (const text of ["", " ", "null", "[]", "3", '"x"', "{", "{}", '{"r": NaN}', "[".repeat(1e5)]) {
  Deno.test(`loadAdapter() refuses an adapter_config.json of ${text.slice(0, 12) || "nothing"}`, async () => {
    await using folder = await temporaryFolder();
    await Deno.writeTextFile(`${folder.path}/adapter_config.json`, text);
    const model = await loadClassifier(fixture("bert"));
    await assert.rejects(loadAdapter(model, folder.path), {
      name: "TypeError",
      message: /^Cannot load .*adapter_config\.json: /,
    });
  });
}
