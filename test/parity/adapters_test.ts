/**
 * Each of LoRA's options in both directions: an adapter of peft's here, and ours in peft.
 *
 * @module
 */
import { ok } from "node:assert/strict";
import { assertClose, maxDifference } from "../helpers/close.ts";
import { fixture, type KINDS } from "../helpers/reference.ts";
import {
  logitsOf,
  paddedBatch,
  parity,
  python,
  report,
  shake,
  theirLogits,
  writeBatch,
} from "../helpers/live.ts";
import {
  addLora,
  loadAdapter,
  loadClassifier,
  type LoraConfig,
  mergeAdapter,
  saveAdapter,
  saveModel,
} from "lightweight-finetuning";

const OPTIONS: Record<string, [(typeof KINDS)[number], Partial<LoraConfig>]> = {
  "a suffix list": ["roberta", { targetModules: ["value", "output.dense"] }],
  "an expression": ["bert", { targetModules: ".*\\.layer\\.\\d\\.attention\\.self\\.(query|key)" }],
  "all-linear": ["roberta", { targetModules: "all-linear" }],
  "all-linear of DistilBERT": ["distilbert", { targetModules: "all-linear" }],
  "excludeModules": ["bert", { targetModules: ["dense"], excludeModules: ["pooler.dense"] }],
  "excludeModules as an expression": [
    "xlm-roberta",
    { targetModules: ["query", "dense"], excludeModules: ".*\\.attention\\.output\\..*" },
  ],
  "layersToTransform": ["distilbert", { layersToTransform: [1] }],
  "rankPattern and alphaPattern": [
    "roberta",
    { rankPattern: { "layer.0.*query": 3, value: 5 }, alphaPattern: { "self\\.value": 1 } },
  ],
  "modulesToSave": ["bert", { modulesToSave: ["pooler", "output.LayerNorm"] }],
  "bias all": ["distilbert", { bias: "all" }],
  "bias lora_only": ["roberta", { bias: "lora_only" }],
  "rsLoRA": ["bert", { useRslora: true }],
  "DoRA": ["distilbert", { useDora: true, loraDropout: 0.1 }],
  "gaussian": ["bert", { initLoraWeights: "gaussian" }],
  "no task": ["bert", { taskType: null }],
  "DoRA, rsLoRA, patterns and biases together": [
    "roberta",
    { useDora: true, useRslora: true, bias: "all", rankPattern: { query: 1 } },
  ],
};

parity("each option's adapters are read both ways", async (folder) => {
  const notes: { option: string; path: string; model: string; ours: Float32Array }[] = [];
  for (const [option, [kind, options]] of Object.entries(OPTIONS)) {
    const [path, model] = [`${folder}/${option}`, fixture(kind)];
    const classifier = await loadClassifier(model);
    const batch = paddedBatch(classifier.config);
    const adapter = addLora(classifier, { r: 2, loraAlpha: 24, ...options });
    shake(adapter);
    const ours = logitsOf(adapter, batch);
    for (const folder of [path, `${path}/merged`]) await writeBatch(folder, batch);
    await Deno.symlink(model, `${path}/model`);
    await saveAdapter(adapter, `${path}/adapter`);
    await mergeAdapter(adapter);
    await saveModel(classifier, `${path}/merged/model`);
    classifier.dispose();
    notes.push({ option, path, model, ours });
  }
  await python("adapters.py", ...notes.map(({ path }) => path));
  await python("reference.py", "logits", ...notes.map(({ path }) => `${path}/merged`));

  for (const { option, path, model, ours } of notes) {
    const [logits, merged] = [await theirLogits(path), await theirLogits(`${path}/merged`)];
    const classifier = await loadClassifier(model);
    const batch = paddedBatch(classifier.config);
    const untouched = logitsOf(classifier, batch);
    const adapter = await loadAdapter(classifier, `${path}/theirs`);
    const compare = (what: string, here: Float32Array, there: Float32Array) => {
      ok(maxDifference(there, untouched) > 0.01, `${option}: ${what} changes nothing`);
      return assertClose(here, there, 1e-5, `${option}, ${what}`);
    };
    const differences = [
      compare("our adapter in peft", ours, logits.get("ours")!),
      compare("our merged model in Transformers", ours, merged.get("logits")!),
      compare("peft's adapter here", logitsOf(adapter, batch), logits.get("theirs")!),
    ];
    await mergeAdapter(adapter);
    differences.push(
      compare("peft's, merged here", logitsOf(classifier, batch), logits.get("theirs.merged")!),
    );
    classifier.dispose();
    report(option, Math.max(...differences));
  }
});
