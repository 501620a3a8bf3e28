/**
 * Each option of LoRA and of IA³ in both directions: an adapter of peft's here, and ours in peft.
 *
 * @module
 */
import { ok } from "node:assert/strict";
import { assertClose, maxDifference } from "../helpers/close.ts";
import { assertGradients, lossAndGradients } from "../helpers/gradients.ts";
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
  addIa3,
  addLora,
  type Classifier,
  type Ia3Config,
  loadAdapter,
  loadClassifier,
  type LoraConfig,
  mergeAdapter,
  saveAdapter,
  saveModel,
} from "lightweight-finetuning";

type Options<Config> = Record<string, [(typeof KINDS)[number], Partial<Config>]>;

const LORA: Options<LoraConfig> = {
  "a suffix list": ["roberta", { targetModules: ["value", "output.dense"] }],
  "an expression": ["bert", { targetModules: ".*\\.layer\\.\\d\\.attention\\.self\\.(query|key)" }],
  "an expression in Python's own syntax": [
    "roberta",
    {
      targetModules: "(?i)(?P<body>ROBERTA)\\.(?:.*\\.)?(query|key)\\Z",
      rankPattern: { "\\w{,5}": 1 },
    },
  ],
  "all-linear": ["roberta", { targetModules: "all-linear" }],
  "all-linear of DistilBERT": ["distilbert", { targetModules: "all-linear" }],
  "excludeModules": ["bert", { targetModules: ["dense"], excludeModules: ["pooler.dense"] }],
  "excludeModules as an expression": [
    "xlm-roberta",
    { targetModules: ["query", "dense"], excludeModules: ".*\\.attention\\.output\\..*" },
  ],
  "layersToTransform": ["distilbert", { layersToTransform: [1] }],
  "no layersToTransform": ["distilbert", { layersToTransform: [] }],
  "layersPattern": ["distilbert", { layersToTransform: 1, layersPattern: ["h", "l\\w+r"] }],
  "rankPattern and alphaPattern": [
    "roberta",
    { rankPattern: { "layer.0.*query": 3, value: 5 }, alphaPattern: { "self\\.value": 1 } },
  ],
  "modulesToSave": ["bert", { modulesToSave: ["pooler", "output.LayerNorm"] }],
  "modulesToSave around others": ["roberta", { modulesToSave: ["roberta.embeddings"] }],
  "modulesToSave within the head": ["roberta", { modulesToSave: ["out_proj"], taskType: null }],
  "modulesToSave with a name of peft's": ["bert", {
    modulesToSave: ["model.classifier"],
    bias: "all",
  }],
  "bias all": ["distilbert", { bias: "all" }],
  "bias lora_only": ["roberta", { bias: "lora_only" }],
  "rsLoRA": ["bert", { useRslora: true }],
  "DoRA": ["distilbert", { useDora: true, loraDropout: 0.1 }],
  "gaussian": ["bert", { initLoraWeights: "gaussian" }],
  "all-linear of ELECTRA": ["electra", { targetModules: "all-linear" }],
  "modulesToSave of ELECTRA": ["electra", { modulesToSave: ["embeddings_project"], bias: "all" }],
  "no task": ["bert", { taskType: null }],
  "DoRA, rsLoRA, patterns and biases together": [
    "roberta",
    { useDora: true, useRslora: true, bias: "all", rankPattern: { query: 1 } },
  ],
};

const IA3: Options<Ia3Config> = {
  "IA³ of BERT": ["bert", {}],
  "IA³ of RoBERTa": ["roberta", {}],
  "IA³ of XLM-RoBERTa": ["xlm-roberta", {}],
  "IA³ of DistilBERT": ["distilbert", {}],
  "IA³ of ELECTRA": ["electra", {}],
  "IA³ of ELECTRA on all-linear": ["electra", { targetModules: "all-linear" }],
  "IA³ on one list": ["bert", { targetModules: ["query", "key"] }],
  "IA³ on expressions": [
    "roberta",
    { targetModules: ".*1.*\\.(key|dense)", feedforwardModules: ".*(intermediate|key).*" },
  ],
  "IA³ on all-linear": ["roberta", { targetModules: "all-linear" }],
  "IA³, excludeModules": ["distilbert", { excludeModules: ["1.attention.k_lin"] }],
  "IA³, modulesToSave": ["bert", { modulesToSave: ["pooler", "output.LayerNorm"] }],
  "IA³, random": ["xlm-roberta", { initIa3Weights: false }],
  "IA³, no task": ["bert", { taskType: null, initIa3Weights: false }],
};

const ADAPTERS = [
  ...Object.entries(LORA).map(([option, [kind, options]]) => {
    const add = (model: Classifier) => addLora(model, { r: 2, loraAlpha: 24, ...options });
    return { option, kind, add };
  }),
  ...Object.entries(IA3).map(([option, [kind, options]]) => {
    return { option, kind, add: (model: Classifier) => addIa3(model, options) };
  }),
];

parity("each option's adapters are read both ways", async (folder) => {
  const notes: { option: string; path: string; model: string; ours: Float32Array }[] = [];
  for (const { option, kind, add } of ADAPTERS) {
    const [path, model] = [`${folder}/${option}`, fixture(kind)];
    const classifier = await loadClassifier(model);
    const batch = paddedBatch(classifier.config);
    const adapter = add(classifier);
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
    const { loss, gradients } = lossAndGradients(adapter, batch);
    assertClose([loss], logits.get("theirs.loss")!, 1e-5, `${option}, loss`);
    const expected = new Map(
      [...logits].filter(([name]) => name.startsWith("grad."))
        .map(([name, values]) => [name.slice("grad.".length), values]),
    );
    report(`${option}, gradients`, assertGradients(gradients, expected));
    await mergeAdapter(adapter);
    differences.push(
      compare("peft's, merged here", logitsOf(classifier, batch), logits.get("theirs.merged")!),
    );
    classifier.dispose();
    report(option, Math.max(...differences));
  }
});
