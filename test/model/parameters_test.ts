import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { fixture, KINDS } from "../helpers/reference.ts";
import {
  addLora,
  type Classifier,
  type Linear,
  loadAdapter,
  loadClassifier,
  type ModelConfig,
  openDevice,
  trainableParameters,
} from "lightweight-finetuning";
import { families } from "../../lib/model/families/families.ts";
import { classifierShapes } from "../../lib/model/shapes.ts";

const { trainableParameters: LINES } = JSON.parse(
  await Deno.readTextFile(fixture("expected.json")),
);

for (const kind of KINDS) {
  Deno.test(`trainableParameters() prints peft's line for tiny ${kind}`, async () => {
    const model = await loadClassifier(fixture(kind));
    const base = trainableParameters(model);
    assert.equal(base.trainable, base.all);
    assert.match(
      String(base),
      /^trainable params: [\d,]+ \|\| all params: [\d,]+ \|\| trainable%: 100\.0000$/,
    );
    const adapter = await loadAdapter(model, `${fixture(kind)}/adapter`);
    assert.equal(String(trainableParameters(adapter)), LINES[kind]);
  });
}

/** RoBERTa-base without its numbers, 500 MB; only the head, which an adapter copies, has them. */
function robertaBase(): Classifier {
  const config = {
    modelType: "roberta",
    hiddenSize: 768,
    intermediateSize: 3072,
    numHiddenLayers: 12,
    vocabSize: 50265,
    maxPositionEmbeddings: 514,
    typeVocabSize: 1,
  } as ModelConfig;
  const parameters = new Map<string, tf.Variable>();
  const { encoder, head } = classifierShapes(families.roberta, config, 4);
  for (const [name, shape] of Object.entries(encoder)) {
    const size = shape.reduce((a, b) => a * b);
    parameters.set(name, { shape, size, trainable: true } as unknown as tf.Variable);
  }
  for (const [name, shape] of Object.entries(head)) {
    parameters.set(name, tf.variable(tf.zeros(shape)));
  }
  const linears = [...parameters].filter(([name]) => /layer.*[a-z]+(?<!Norm)\.weight$/.test(name))
    .map(([name, { shape }]) => [name.replace(".weight", ""), { shape }] as [string, Linear]);
  return { config, parameters, linears: new Map(linears) } as unknown as Classifier;
}

Deno.test("trainableParameters() prints peft's line for RoBERTa-base", async () => {
  await openDevice();
  const adapter = addLora(robertaBase(), { r: 8, loraAlpha: 16, loraDropout: 0.1 });
  assert.equal(String(trainableParameters(adapter)), LINES["roberta-base"]);
});
