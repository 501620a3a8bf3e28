import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { collate, loadClassifier } from "lightweight-finetuning";
import config from "../fixtures/config.json" with { type: "json" };
import { alteredCopy, temporaryFolder } from "../helpers/altered.ts";
import { assertClose } from "../helpers/close.ts";
import { lossAndGradients } from "../helpers/gradients.ts";
import { fixture, KINDS, readReference } from "../helpers/reference.ts";
import { readConfig } from "../../lib/model/config.ts";
import { families } from "../../lib/model/families/families.ts";

/** Fields that give the model its numbers; all but the sizes are compared with Transformers in {@link config}. */
const HONOURED = [
  "vocab_size",
  "hidden_size",
  "dim",
  "embedding_size",
  "intermediate_size",
  "hidden_dim",
  "num_hidden_layers",
  "n_layers",
  "num_attention_heads",
  "n_heads",
  "max_position_embeddings",
  "type_vocab_size",
  "layer_norm_eps",
  "pad_token_id",
  "initializer_range",
  "id2label",
  "num_labels", // compared in parity/model_files_test.ts
  // compared in classifier_test.ts: how often each rate is applied
  "hidden_dropout_prob",
  "attention_probs_dropout_prob",
  "classifier_dropout",
  "dropout",
  "attention_dropout",
  "seq_classif_dropout",
];

/** Fields that change no logit of a classifier, and why. */
const IRRELEVANT: Record<string, string> = {
  _commit_hash: "says where the file came from",
  architectures: "the class is chosen by model_type, and a classifier is asked for",
  attn_implementation: "computes the same in another way",
  bos_token_id: "of generation",
  chunk_size_feed_forward: "computes the same in pieces",
  dtype: "weights are held in float32, whatever they are stored in",
  eos_token_id: "of generation",
  experts_implementation: "no family has experts",
  is_encoder_decoder: "read by decoders only",
  label2id: "follows from id2label",
  name_or_path: "says where the file came from",
  output_attentions: "what else is returned",
  output_hidden_states: "what else is returned",
  qa_dropout: "of question answering",
  return_dict: "the form of what is returned",
  rope_scaling: "no family has rotary positions",
  rope_theta: "no family has rotary positions",
  sinusoidal_pos_embds: "first values of positions, which a checkpoint brings",
  summary_activation: "of multiple choice, as the other summary fields",
  summary_last_dropout: "of multiple choice",
  summary_type: "of multiple choice",
  summary_use_proj: "of multiple choice",
  torch_dtype: "as dtype",
  tie_word_embeddings: "of the masked-language head",
  transformers_version: "says who wrote the file",
  use_cache: "of generation",
};

/** Fields of which only the usual value is supported, with another one. */
const REFUSED: Record<string, unknown> = {
  activation: "relu",
  add_cross_attention: true,
  hidden_act: "gelu_new",
  is_decoder: true,
  per_layer_config: { "0": { intermediate_size: 8 } },
  problem_type: "regression",
};

const COUNTS = [-4, 0, 1.5, 1e300, null, "4", true, [4], {}];
const RATES = [-0.1, 1, 5, "0.1"];

/** Numbers that fields cannot have. A size that the weights contradict is refused by its tensor's name. */
const WRONG: Record<string, unknown[]> = {
  vocab_size: [...COUNTS, 1e9],
  hidden_size: [...COUNTS, 1e9, 33],
  embedding_size: [...COUNTS, 1e9],
  intermediate_size: [...COUNTS, 1e9],
  num_hidden_layers: [...COUNTS, 1e9, 3],
  num_attention_heads: [...COUNTS, 1e9, 5, 3],
  max_position_embeddings: [...COUNTS, 1e9, 2],
  type_vocab_size: [...COUNTS, 1e9],
  layer_norm_eps: [-1, null, "1e-12"],
  hidden_dropout_prob: RATES,
  attention_probs_dropout_prob: RATES,
  classifier_dropout: RATES,
  pad_token_id: [-1, 1.5, 1e9, 120, "0"],
  initializer_range: [-0.02, null, "0.02"],
};

const DISTILBERT: Record<string, string> = {
  hidden_size: "dim",
  intermediate_size: "hidden_dim",
  num_hidden_layers: "n_layers",
  num_attention_heads: "n_heads",
  hidden_dropout_prob: "dropout",
  attention_probs_dropout_prob: "attention_dropout",
  classifier_dropout: "seq_classif_dropout",
};

const rowsOf = (inputIds: number[][]) => ({ inputIds, labels: [0, 1, 2] });

/** By BERT's name; DistilBERT's are in {@link DISTILBERT}. */
const NUMBERS = {
  vocab_size: "vocabSize",
  hidden_size: "hiddenSize",
  embedding_size: "embeddingSize",
  num_hidden_layers: "numHiddenLayers",
  num_attention_heads: "numAttentionHeads",
  intermediate_size: "intermediateSize",
  max_position_embeddings: "maxPositionEmbeddings",
  type_vocab_size: "typeVocabSize",
  layer_norm_eps: "layerNormEps",
  hidden_dropout_prob: "hiddenDropoutProb",
  attention_probs_dropout_prob: "attentionProbsDropoutProb",
  classifier_dropout: "classifierDropout",
  pad_token_id: "padTokenId",
  initializer_range: "initializerRange",
} as const;

for (const kind of KINDS) {
  const { fields, input_ids, logits, changed, padding, no_padding } = config[kind];
  const named = (name: string) => kind === "distilbert" ? DISTILBERT[name] ?? name : name;

  Deno.test(`every field that Transformers reads of ${kind}'s config.json is decided on`, () => {
    const known = [...HONOURED, ...Object.keys(IRRELEVANT), ...Object.keys(REFUSED)];
    assert.deepEqual(fields.filter((field) => !known.includes(field)), []);
    assert.equal(new Set(known).size, known.length);
  });

  Deno.test(`other values in ${kind}'s config.json give Transformers' logits`, async () => {
    for (const { json, logits: expected } of [{ json: {}, logits }, ...changed]) {
      await using copy = await alteredCopy(fixture(kind), { json });
      const model = await loadClassifier(copy.path);
      const batch = collate(rowsOf(input_ids), [0, 1, 2], model.config.padTokenId);
      const what = JSON.stringify(json);
      assertClose(model.forward(batch).dataSync(), expected.flat(), 1e-5, what);
      model.dispose();
    }
  });

  Deno.test(`loadClassifier() refuses what is not supported in ${kind}'s config.json`, async () => {
    for (const [field, value] of Object.entries(REFUSED)) {
      if (!fields.includes(field)) continue;
      await using copy = await alteredCopy(fixture(kind), { json: { [field]: value } });
      await assert.rejects(loadClassifier(copy.path), (error: Error) => {
        assert.match(error.message, new RegExp(`config.json as '${field}' must be .*: current`));
        return true;
      });
    }
  });

  Deno.test(`loadClassifier() refuses odd numbers in ${kind}'s config.json before it allocates`, async () => {
    const before = tf.memory().numTensors;
    for (const [name, values] of Object.entries(WRONG)) {
      const field = named(name);
      if (!fields.includes(field)) continue;
      for (const value of values) {
        await using copy = await alteredCopy(fixture(kind), { json: { [field]: value } });
        await assert.rejects(loadClassifier(copy.path), (error: Error) => {
          assert.equal(error.name, "TypeError", `${error.stack}`);
          assert.ok(error.message.includes(copy.path), error.message);
          assert.match(error.message, /(current value is|missing are) .*\. \w/, "a remedy");
          return true;
        }, `${field}: ${JSON.stringify(value)}`);
      }
    }
    assert.equal(tf.memory().numTensors, before);
  });

  Deno.test(`readConfig() gives every number that ${kind}'s config.json lacks Transformers' default`, async () => {
    await using folder = await temporaryFolder();
    await Deno.writeTextFile(`${folder.path}/config.json`, JSON.stringify({ model_type: kind }));
    const ours = await readConfig(folder.path);
    const defaults: Record<string, number | undefined> = config[kind].defaults;
    const known = Object.entries(NUMBERS).filter(([name]) => defaults[named(name)] !== undefined);
    assert.ok(known.length >= 11, `${known}`);
    for (const [name, field] of known) assert.equal(ours[field], defaults[named(name)], name);
  });

  for (const [json, expected] of [[{}, padding], [{ pad_token_id: null }, no_padding]] as const) {
    if (!expected) continue;
    const says = JSON.stringify(json);
    Deno.test(`the padding's id in a text of ${kind} with ${says} trains no row that torch does not train`, async () => {
      await using copy = await alteredCopy(fixture(kind), { json });
      const model = await loadClassifier(copy.path);
      const batch = collate(rowsOf(expected.input_ids), [0, 1, 2], model.config.padTokenId);
      assertClose(model.forward(batch).dataSync(), expected.logits.flat(), 1e-5);
      const { gradients } = lossAndGradients(model, batch);
      for (const [table, rows] of Object.entries(expected.gradients)) {
        const [, gradient] = [...gradients].find(([name]) => name.endsWith(`${table}.weight`))!;
        for (const [row, expected] of Object.entries<number[]>(rows)) {
          const start = Number(row) * expected.length;
          const ours = gradient.subarray(start, start + expected.length);
          assertClose(ours.map((x) => x + 1), expected.map((x) => x + 1), 1e-6, `${table} ${row}`);
        }
      }
    });
  }

  Deno.test(`loadClassifier() refuses null in ${kind}'s config.json where Transformers does`, async () => {
    const { nullable } = families[kind];
    for (const name of Object.keys(NUMBERS)) {
      if (!fields.includes(named(name)) || nullable.includes(name)) continue;
      await using copy = await alteredCopy(fixture(kind), { json: { [named(name)]: null } });
      await assert.rejects(loadClassifier(copy.path), {
        name: "TypeError",
        message: new RegExp(`'${named(name)}' must be .*: current value is null\\. Correct it`),
      });
    }
  });

  Deno.test(`padding changes no logit of ${kind}, however large attention's scores are`, async () => {
    const { folder } = await readReference(kind);
    await using copy = await alteredCopy(folder, {
      tensors(tensors) {
        for (const [name, { data }] of tensors) {
          if (!/\.(query|key|q_lin|k_lin)\.weight$/.test(name)) continue;
          const weights = data as Float32Array;
          weights.forEach((value, i) => weights[i] = value * 1e6);
        }
      },
    });
    const model = await loadClassifier(copy.path);
    const rows = rowsOf(input_ids);
    const logitsOf = (order: number[]) =>
      model.forward(collate(rows, order, model.config.padTokenId)).dataSync<"float32">();
    const classes = model.labels.length;
    const together = logitsOf([0, 1, 2]);
    for (const row of [0, 1, 2]) {
      const padded = together.subarray(row * classes, (row + 1) * classes);
      assertClose(padded, logitsOf([row]), 1e-5, `row ${row}`);
    }
  });

  Deno.test(`forward() of ${kind} names the row of an id beyond the vocabulary`, async () => {
    const model = await loadClassifier(fixture(kind));
    const { vocabSize, padTokenId } = model.config;
    const before = tf.memory().numTensors;
    for (const id of [vocabSize, 2 ** 31 - 1, -1]) {
      const batch = collate({ inputIds: [[2, 3], [2, 5, 3]], labels: [0, 0] }, [1, 0], padTokenId);
      batch.inputIds[1] = id;
      assert.throws(() => model.forward(batch), {
        name: "RangeError",
        message: `Cannot classify as token ids must be from 0 to ${vocabSize - 1}: current value ` +
          `in row 1 (the first is 0) is ${id}. Tokenize the texts with this model's own tokenizer`,
      });
    }
    assert.equal(tf.memory().numTensors, before);
  });
}

Deno.test("loadClassifier() takes an initializer_range of 0 for 0.02, as Transformers does", async () => {
  await using copy = await alteredCopy(fixture("bert"), { json: { initializer_range: 0 } });
  assert.equal((await loadClassifier(copy.path)).config.initializerRange, 0.02);
});

Deno.test("loadClassifier() refuses odd numbers under DistilBERT's other names of them", async () => {
  for (const [name, values] of Object.entries(WRONG)) {
    if (!families.distilbert.aliases!.includes(name)) continue;
    for (const value of values) {
      await using copy = await alteredCopy(fixture("distilbert"), { json: { [name]: value } });
      await assert.rejects(loadClassifier(copy.path), TypeError, `${name}: ${value}`);
    }
  }
});
