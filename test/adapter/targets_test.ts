import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { fixture } from "../helpers/reference.ts";
import { addLora, loadClassifier, type LoraConfig } from "lightweight-finetuning";

const layer = (i: number, module: string) => `roberta.encoder.layer.${i}.${module}`;
const [KEY, DENSE] = ["attention.self.key", "attention.output.dense"];

const CHOICES: [Partial<LoraConfig>, string[]][] = [
  [{ targetModules: [layer(0, KEY), DENSE] }, [layer(0, DENSE), layer(0, KEY), layer(1, DENSE)]],
  [{ targetModules: [KEY], layersToTransform: 1 }, [layer(1, KEY)]],
  [{ targetModules: [KEY], layersToTransform: [0, 1] }, [layer(0, KEY), layer(1, KEY)]],
  [{ targetModules: `.*1\\.${KEY}|.*0\\.${DENSE}` }, [layer(0, DENSE), layer(1, KEY)]],
  [{ targetModules: ["key"], excludeModules: [layer(0, KEY)] }, [layer(1, KEY)]],
  [{ targetModules: ["key"], excludeModules: ".*0.*" }, [layer(1, KEY)]],
  [{ targetModules: ["key"], modulesToSave: ["layer.0"] }, [layer(1, KEY)]],
  [{ targetModules: ["classifier.dense"], taskType: null }, ["classifier.dense"]],
];

for (const [options, modules] of CHOICES) {
  Deno.test(`addLora() finds the layers of ${JSON.stringify(options)}`, async () => {
    const { layers } = addLora(await loadClassifier(fixture("roberta")), options);
    assert.deepEqual([...layers.keys()], modules);
  });
}

Deno.test('addLora() adapts "all-linear" but what is trained in full, which without a task is not the head', async () => {
  const of = async (options: Partial<LoraConfig>) => {
    const model = await loadClassifier(fixture("roberta"));
    const { layers } = addLora(model, { targetModules: "all-linear", ...options });
    return [...model.linears.keys()].filter((module) => !layers.has(module));
  };
  assert.deepEqual(await of({}), ["classifier.dense", "classifier.out_proj"]);
  assert.deepEqual(await of({ taskType: null }), []);
});

Deno.test("addLora() gives each layer the rank and alpha of the first pattern that matches", async () => {
  const { layers } = addLora(await loadClassifier(fixture("roberta")), {
    r: 2,
    loraAlpha: 4,
    initLoraWeights: false,
    rankPattern: { [layer(0, "attention.self.query")]: 3, "query": 5, "self\\.\\w+": 6 },
    alphaPattern: { "layer.1.*value": 1 },
  });
  const [found, scalings] = [[], []] as number[][];
  for (const { A, B, base, adapted } of layers.values()) {
    found!.push(A.shape[0]);
    const change = tf.sub(adapted.weight(), base.weight()).dataSync();
    scalings!.push(change[0]! / tf.matMul(B, A).dataSync()[0]!);
  }
  assert.deepEqual(found, [3, 6, 5, 6]); // query and value of layer 0, then of layer 1
  [4 / 3, 4 / 6, 4 / 5, 1 / 6].forEach((scaling, i) =>
    assert.ok(Math.abs(scalings![i]! - scaling) < 1e-3, `${scalings}`)
  );
});

const FAULTS: [Partial<LoraConfig>, RegExp][] = [
  [
    { targetModules: ["query", "q_proj"] },
    /'targetModules' must match existing names, such as output.dense, self.key, .*: current value is \["query","q_proj"\], of which q_proj matches nothing/,
  ],
  [{ targetModules: ["uery"] }, /of which uery matches nothing/],
  [{ targetModules: "query" }, /of which query matches nothing/],
  [{ targetModules: [] }, /'targetModules' must be a list .*: current value is \[\]/],
  [{ targetModules: ["attention.self"] }, /of which attention.self matches nothing/],
  [
    { targetModules: ".*attention.*" },
    /'targetModules' must match linear layers alone: .* matches bert.encoder.layer.0.attention too/,
  ],
  [
    { targetModules: ["query", "classifier"] },
    /must name layers that 'modulesToSave' does not exclude: .* classifier matches only classifier/,
  ],
  [
    { targetModules: ["query"], modulesToSave: ["query"] },
    /that 'modulesToSave' does not exclude: .* query matches only bert.encoder.layer.0.attention.self.query, bert/,
  ],
  [
    { targetModules: ["query", "pooler.dense"], layersToTransform: 0 },
    /that 'layersToTransform' does not exclude: .* pooler.dense matches only bert.pooler.dense/,
  ],
  [
    { targetModules: "all-linear", excludeModules: ".*" },
    /that 'excludeModules' does not exclude: .* all-linear matches only/,
  ],
  [
    { excludeModules: ["key", "k_proj"] },
    /'excludeModules' must .* of which k_proj matches nothing/,
  ],
  [
    { layersToTransform: [1, 2] },
    /'layersToTransform' must match existing names, such as 0, 1: current value is \[1,2\], of which 2 matches/,
  ],
  [
    { targetModules: ".*query", layersToTransform: 1 },
    /'layersToTransform' must be null where 'targetModules' is not a list, .*: current value is 1/,
  ],
  [
    { rankPattern: { query: 2, k_proj: 3 } },
    /'rankPattern' must .* self.query, self.value: .* of which k_proj matches nothing/,
  ],
  [{ alphaPattern: { key: 3 } }, /'alphaPattern' must .* of which key matches nothing/],
  [{ rankPattern: { query: 0 } }, /'rankPattern' must be whole numbers above 0/],
  [{ alphaPattern: { query: -1 } }, /'alphaPattern' must be numbers above 0/],
  [{ modulesToSave: ["pooling"] }, /'modulesToSave' must .* of which pooling matches nothing/],
  [{ modulesToSave: "pooler" as unknown as [] }, /'modulesToSave' must be a list of names/],
  [{ r: 0 }, /'r' must be a whole number above 0 and at most 16384: current value is 0/],
  [{ r: 1.5 }, /'r' must be a whole number above 0 .*: current value is 1.5/],
  [{ loraAlpha: 0 }, /'loraAlpha' must be a number above 0: current value is 0/],
  [{ loraDropout: 1 }, /'loraDropout' must be at least 0 and below 1: current value is 1/],
  [
    { bias: "lora" as "none" },
    /'bias' must be "none", "all" or "lora_only": current value is "lora"/,
  ],
  [
    { initLoraWeights: "pissa" as "gaussian" },
    /'initLoraWeights' must be true, false, "gaussian", .* by path_initial_model_for_weight_conv/,
  ],
  [{ initLoraWeights: "eva" }, /must be true, false or "gaussian": .* "eva". Make it with peft/],
  [
    { layersPattern: "layer" },
    /'layersPattern' must be null where 'layersToTransform' is, .*: current value is "layer"/,
  ],
  [{ taskType: "CAUSAL_LM" as "SEQ_CLS" }, /'taskType' must be "SEQ_CLS" or null/],
  [
    { targetModules: "(query" },
    /by '\(query' as it must be a regular expression: unterminated group. A list of/,
  ],
  [
    { lora_alpha: 4 } as Partial<LoraConfig>,
    /an option must be one of r, loraAlpha, .* is 'lora_alpha'/,
  ],
];

for (const [options, message] of FAULTS) {
  Deno.test(`addLora() refuses ${JSON.stringify(options)} and leaves the model as it was`, async () => {
    const model = await loadClassifier(fixture("bert"));
    const [names, linears] = [[...model.parameters.keys()], [...model.linears]];
    const tensors = tf.memory().numTensors;
    assert.throws(() => addLora(model, options), { message });
    assert.equal(tf.memory().numTensors, tensors);
    assert.deepEqual([...model.parameters.keys()], names);
    assert.deepEqual([...model.linears], linears);
    assert.ok([...model.parameters.values()].every(({ trainable }) => trainable));
    addLora(model);
  });
}

Deno.test("addLora() refuses to train in full what is held at four bits", async () => {
  const model = await loadClassifier(fixture("bert"), { loadIn4bit: true });
  const options = { modulesToSave: ["output.dense"] };
  assert.throws(() => addLora(model, options), {
    name: "RangeError",
    message: /'modulesToSave' must name modules in full precision: .*output.dense.weight is int32/,
  });
  addLora(model, { targetModules: ".*query" });
});
