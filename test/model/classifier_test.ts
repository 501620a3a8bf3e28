import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { assertClose, maxDifference } from "../helpers/close.ts";
import { alteredCopy } from "../helpers/altered.ts";
import { fixture, KINDS, readReference } from "../helpers/reference.ts";
import { examples } from "../helpers/training.ts";
import {
  type Classifier,
  collate,
  createRandom,
  loadClassifier,
  maxTokens,
  type StoredTensor,
} from "lightweight-finetuning";

const ROBERTA_HEAD = [
  "classifier.dense.weight",
  "classifier.dense.bias",
  "classifier.out_proj.weight",
  "classifier.out_proj.bias",
];
const NEW = {
  bert: ["classifier.weight", "classifier.bias"],
  roberta: ROBERTA_HEAD,
  "xlm-roberta": ROBERTA_HEAD,
  distilbert: [
    "pre_classifier.weight",
    "pre_classifier.bias",
    "classifier.weight",
    "classifier.bias",
  ],
  electra: ROBERTA_HEAD,
};
const LABELS = ["a", "b", "c", "d"];
const MAX_TOKENS = 40; // RoBERTa's position tables have two rows more
const { dropouts: DROPOUTS } = JSON.parse(await Deno.readTextFile(fixture("expected.json")));

for (const kind of KINDS) {
  Deno.test(`loadClassifier() gives Transformers' logits for ${kind}`, async () => {
    const reference = await readReference(kind);
    const model = await loadClassifier(reference.folder);
    const logits = model.forward(reference.batch());
    assertClose(logits.dataSync(), reference.numbers("logits"), 1e-5);
    assert.deepEqual(model.newParameters, []);
  });

  Deno.test(`loadClassifier() puts a new head on a bare encoder of ${kind}`, async () => {
    const reference = await readReference(kind);
    const full = await loadClassifier(reference.folder);
    const model = await loadClassifier(`${reference.folder}/encoder`, { labels: LABELS });
    assert.deepEqual(model.newParameters, NEW[kind]);
    assert.deepEqual(new Set(model.parameters.keys()), new Set(full.parameters.keys()));
    for (const name of model.newParameters) {
      model.parameters.get(name)!.assign(full.parameters.get(name)!);
    }
    const logits = model.forward(reference.batch()).dataSync();
    assertClose(logits, reference.numbers("logits"), 1e-5);
  });

  Deno.test(`loadClassifier() reads ${kind}'s old names of normalisations`, async () => {
    const reference = await readReference(kind);
    await using old = await alteredCopy(reference.folder, {
      tensors(tensors) {
        for (const [name, tensor] of [...tensors]) {
          tensors.delete(name);
          const oldName = name.replace("LayerNorm.weight", "LayerNorm.gamma");
          tensors.set(oldName.replace("LayerNorm.bias", "LayerNorm.beta"), tensor);
        }
      },
    });
    const logits = (await loadClassifier(old.path)).forward(reference.batch()).dataSync();
    assertClose(logits, reference.numbers("logits"), 1e-5);
  });

  Deno.test(`forward() gives a row of ${kind} the same logits alone and padded`, async () => {
    const reference = await readReference(kind);
    const model = await loadClassifier(reference.folder);
    const rows = examples(reference, 1);
    const all = collate(rows, rows.inputIds.map((_, row) => row), model.config.padTokenId);
    const logits = model.forward(all).dataSync<"float32">();
    rows.inputIds.forEach((ids, row) => {
      const alone = model.forward(collate(rows, [row], model.config.padTokenId)).dataSync();
      assertClose(alone, logits.subarray(row * 4, row * 4 + 4), 1e-5, `${ids.length} tokens`);
    });
  });

  Deno.test(`forward() refuses more tokens than ${kind} has positions for`, async () => {
    const model = await loadClassifier((await readReference(kind)).folder);
    assert.equal(maxTokens(model.config), MAX_TOKENS);
    const batch = (length: number) =>
      collate({ inputIds: [new Int32Array(length).fill(5)], labels: [0] }, [0], 1);
    assert.ok(model.forward(batch(MAX_TOKENS)).dataSync().every(Number.isFinite));
    assert.throws(() => model.forward(batch(MAX_TOKENS + 1)), {
      name: "RangeError",
      message: "Cannot classify as 'length' must be at most 40 tokens: current value is 41. " +
        "Truncate the texts when tokenizing",
    });
  });

  Deno.test(`forward() drops numbers of ${kind} only when given random ones`, async () => {
    const reference = await readReference(kind);
    const model = await loadClassifier(reference.folder);
    const logits = (seed: number, draws?: number) =>
      model.forward(reference.batch(), createRandom(seed, draws)).dataSync();
    assert.deepEqual(logits(1), logits(1));
    for (const other of [logits(2), logits(1, 1), reference.numbers("logits")]) {
      assert.ok(maxDifference(logits(1), other) > 0.01);
    }
    const still = await loadClassifier(reference.folder, { dropout: 0 });
    const withRandom = still.forward(reference.batch(), createRandom(1)).dataSync();
    assert.deepEqual(withRandom, still.forward(reference.batch()).dataSync());
  });

  Deno.test(`forward() applies each of ${kind}'s dropout rates as often as Transformers`, async () => {
    const reference = await readReference(kind);
    const none = Object.fromEntries(Object.keys(DROPOUTS[kind]).map((field) => [field, 0]));
    for (const [field, count] of Object.entries(DROPOUTS[kind])) {
      await using copy = await alteredCopy(reference.folder, { json: { ...none, [field]: 0.5 } });
      const random = createRandom(1); // each dropout is one draw
      (await loadClassifier(copy.path)).forward(reference.batch(), random);
      assert.equal(random.draws, count, field);
    }
  });
}

for (const kind of ["bert", "roberta"]) {
  Deno.test(`loadClassifier() reads ${kind} in 16 bits and in shards`, async () => {
    const reference = await readReference(kind);
    for (const form of ["f16", "bf16", "sharded"]) {
      const model = await loadClassifier(`${reference.folder}/${form}`);
      const name = form === "sharded" ? "logits" : `${form}.logits`;
      assertClose(model.forward(reference.batch()).dataSync(), reference.numbers(name), 1e-5, form);
    }
  });
}

Deno.test("loadClassifier() reads a bare encoder of DistilBERT", async () => {
  const reference = await readReference("distilbert");
  await using bare = await alteredCopy(reference.folder, {
    tensors(tensors) {
      for (const [name, tensor] of [...tensors]) {
        tensors.delete(name);
        tensors.set(name.replace("distilbert.", ""), tensor);
      }
    },
  });
  const model = await loadClassifier(bare.path);
  assert.deepEqual(model.newParameters, []);
  const logits = model.forward(reference.batch()).dataSync();
  assertClose(logits, reference.numbers("logits"), 1e-5);
});

Deno.test("loadClassifier() gives what config.json leaves out the value that Transformers gives it", async () => {
  await using copy = await alteredCopy(fixture("distilbert"), {
    json: { dropout: undefined, attention_dropout: undefined, seq_classif_dropout: undefined },
  });
  const { config } = await loadClassifier(copy.path);
  assert.deepEqual(
    [config.hiddenDropoutProb, config.attentionProbsDropoutProb, config.classifierDropout],
    [0.1, 0.1, 0.2],
  );
  await using electra = await alteredCopy(fixture("electra"), {
    json: { summary_last_dropout: 0.5, classifier_dropout: null, hidden_dropout_prob: 0.3 },
  });
  const { config: { classifierDropout, embeddingSize } } = await loadClassifier(electra.path);
  assert.deepEqual([classifierDropout, embeddingSize], [0.3, 8]);
  await using other = await alteredCopy(fixture("xlm-roberta"), {
    json: { pad_token_id: undefined },
  });
  assert.equal((await loadClassifier(other.path)).config.padTokenId, 1);
});

Deno.test("loadClassifier() draws a head from the seed", async () => {
  const { folder } = await readReference("roberta");
  const load = (seed?: number) =>
    loadClassifier(`${folder}/encoder`, { labels: LABELS, ...seed && { seed } });
  const head = ({ parameters }: Classifier, name: string) =>
    parameters.get(name)!.dataSync<"float32">();
  const [model, same, other] = await Promise.all([load(), load(42), load(43)]);
  for (const name of NEW.roberta.filter((name) => name.endsWith("weight"))) {
    assert.deepEqual(head(model, name), head(same, name));
    assert.ok(maxDifference(head(model, name), head(other, name)) > 0.1, name);
  }
  assert.ok(head(model, "classifier.dense.bias").every((x) => x === 0));
  const weights = head(model, "classifier.dense.weight"); // 1,024 numbers: 3 % off is two errors
  const deviation = Math.sqrt(weights.reduce((sum, x) => sum + x * x, 0) / weights.length);
  assert.ok(Math.abs(deviation / model.config.initializerRange - 1) < 0.1, `${deviation}`);
});

const BIAS = "bert.encoder.layer.1.output.dense.bias";
const WEIGHT = "bert.encoder.layer.0.intermediate.dense.weight";
const belong = "Does config.json belong to these weights\\?";
const FAULTS: {
  what: string;
  error: string | RegExp;
  kind?: string;
  json?: Record<string, unknown>;
  tensors?: (tensors: Map<string, StoredTensor>) => void;
  labels?: string[];
}[] = [
  {
    what: "a missing weight",
    tensors: (tensors) => tensors.delete(BIAS),
    error: new RegExp(`missing are ${BIAS}. ${belong}`),
  },
  {
    what: "a weight that is there under its old name too",
    tensors: (tensors) =>
      tensors.set("embeddings.LayerNorm.beta", tensors.get("bert.embeddings.LayerNorm.bias")!),
    error:
      /must have each weight once: '\S+' is a second 'bert.embeddings.LayerNorm.bias'. Remove one/,
  },
  {
    what: "a weight of another shape",
    tensors: (tensors) => tensors.get(WEIGHT)!.shape.reverse(),
    error: new RegExp(`'${WEIGHT}' must be \\[64,32\\]: current value is \\[32,64\\]. ${belong}`),
  },
  {
    what: "weights of whole numbers",
    tensors: (tensors) =>
      tensors.set(BIAS, { dtype: "I32", shape: [32], data: new Int32Array(32) }),
    error:
      `'${BIAS}' must be F32, F64, F16, BF16: current value is I32. Quantised weights cannot be ` +
      "loaded. Load the model that they were made from",
  },
  {
    what: "more labels than the head has",
    labels: ["a", "b", "c", "d", "e"],
    error:
      /'classifier.\w+' must be \[5.*\]: current value is \[4.*\]. Give as many 'labels' .* or set 'ignoreMismatchedSizes'/,
  },
  ...[[], ["a"], ["a", "b", "a", "c"], ["a", 1, "b", "c"], "abcd"].map((labels) => ({
    what: `the labels ${JSON.stringify(labels)}`,
    labels: labels as string[],
    error:
      "Cannot load a model as 'labels' must be two different names or more: current value is " +
      JSON.stringify(labels),
  })),
  ...[
    { 0: "a", 1: "b", 2: "c", 4: "d" },
    { 1: "a", 2: "b", 3: "c", 4: "d" },
    { 0: "a", 1: "b", 2: "a", 3: "c" },
    { 0: "a", 1: null, 2: "b", 3: "c" },
    { x: "a", 1: "b", 2: "c", 3: "d" },
    { 0: "a" },
    {},
    ["a", "b", "c", "d"],
    "abcd",
    4,
  ].map((id2label) => ({
    what: `an id2label of ${JSON.stringify(id2label)}`,
    json: { id2label },
    error:
      "'id2label' must give two classes or more, numbered from 0, a name each: current value is " +
      `${JSON.stringify(id2label)}. Give the classes' names as 'labels'`,
  })),
  ...[0, 1, 1.5, -4, 1e9, "4", [4]].map((num_labels) => ({
    what: `num_labels of ${JSON.stringify(num_labels)}`,
    json: { id2label: undefined, num_labels },
    error: "'num_labels' must be a whole number from 2 to 100000: current value is " +
      `${JSON.stringify(num_labels)}. Give the classes' names as 'labels'`,
  })),
  {
    what: "num_labels other than id2label has",
    json: { num_labels: 2 },
    error: "'num_labels' must be 4, as id2label has so many: current value is 2. Remove it",
  },
  ...["multi_label_classification", "regression", "", 3].map((problem_type) => ({
    what: `the problem_type ${JSON.stringify(problem_type)}, labels or not,`,
    json: { problem_type },
    labels: LABELS,
    error: "'problem_type' must be single_label_classification or null: current value is " +
      `${JSON.stringify(problem_type)}. Models of other tasks are not supported`,
  })),
  {
    what: "a model quantised by bitsandbytes",
    json: { quantization_config: { quant_method: "bitsandbytes", load_in_4bit: true } },
    error: "'quantization_config' must be left out: current value is " +
      '{"quant_method":"bitsandbytes","load_in_4bit":true}. Quantised weights cannot be loaded. ' +
      "Load the model that they were made from, with 'loadIn4bit: true' to hold it at four bits",
  },
  {
    what: "weights in another file",
    json: { transformers_weights: "other.safetensors" },
    error: "'transformers_weights' must be left out: current value is \"other.safetensors\"",
  },
  {
    what: "another architecture",
    json: { model_type: "gpt2" },
    error: /'model_type' must be bert or roberta or .*: current value is "gpt2"/,
  },
  {
    what: "another activation",
    json: { hidden_act: "gelu_new" },
    error: /'hidden_act' must be gelu: current value is "gelu_new"/,
  },
  {
    what: "another activation of DistilBERT",
    kind: "distilbert",
    json: { activation: "relu" },
    error: /'activation' must be gelu: current value is "relu"/,
  },
  {
    what: "another activation of ELECTRA",
    kind: "electra",
    json: { hidden_act: "relu" },
    error: /'hidden_act' must be gelu: current value is "relu"/,
  },
  {
    what: "another size of ELECTRA's embeddings",
    kind: "electra",
    json: { embedding_size: undefined },
    error: /'electra.embeddings\S+' must be \[.*128.*\]: current value is \[.*8.*\]/,
  },
  {
    what: "a size of embeddings that is no number",
    kind: "electra",
    json: { embedding_size: "8" },
    error: /'embedding_size' must be a whole number above 0: current value is "8"/,
  },
  {
    what: "other positions",
    json: { position_embedding_type: "relative_key" },
    error: /'position_embedding_type' must be absolute: current value is "relative_key"/,
  },
  {
    what: "a decoder",
    json: { is_decoder: true },
    error: /'is_decoder' must be false: current value is true/,
  },
  {
    what: "a size that is no number",
    json: { hidden_size: "32" },
    error: /'hidden_size' must be a whole number above 0: current value is "32"/,
  },
];

for (const { what, error, kind = "bert", labels, ...change } of FAULTS) {
  Deno.test(`loadClassifier() refuses ${what} and leaves no tensor`, async () => {
    await using copy = await alteredCopy(fixture(kind), change);
    (await loadClassifier(fixture(kind))).dispose();
    const before = tf.memory().numTensors;
    await assert.rejects(loadClassifier(copy.path, labels ? { labels } : {}), {
      name: "TypeError",
      message: typeof error === "string" ? new RegExp(RegExp.escape(error)) : error,
    });
    assert.equal(tf.memory().numTensors, before);
  });
}

Deno.test("loadClassifier() refuses a dropout that is no rate", async () => {
  for (const dropout of [-0.1, 1, 5, NaN]) {
    await assert.rejects(loadClassifier(fixture("bert"), { dropout }), {
      name: "RangeError",
      message:
        `Cannot load a model as 'dropout' must be at least 0 and below 1: current value is ${dropout}`,
    });
  }
});

Deno.test("dispose() frees all of a model", async () => {
  const { folder } = await readReference("bert");
  (await loadClassifier(folder)).dispose();
  const before = tf.memory().numTensors;
  const model = await loadClassifier(`${folder}/encoder`, { labels: LABELS });
  assert.equal(tf.memory().numTensors, before + model.parameters.size);
  model.dispose();
  assert.equal(tf.memory().numTensors, before);
});
