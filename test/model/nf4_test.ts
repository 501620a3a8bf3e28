import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { assertClose, maxDifference } from "../helpers/close.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { lossAndGradients } from "../helpers/gradients.ts";
import { fixture, KINDS, readExpected, readReference } from "../helpers/reference.ts";
import { examples } from "../helpers/training.ts";
import { port, useBf16 } from "../../lib/device/port.ts";
import { toBf16, toFloat32 } from "../../lib/device/tensorflow.ts";
import { families } from "../../lib/model/families/families.ts";
import { dequantizeForProduct, dequantizeNf4, quantizeNf4 } from "../../lib/model/nf4.ts";
import {
  addLora,
  type Classifier,
  loadAdapter,
  loadClassifier,
  memoryFootprint,
  openDevice,
  readSafetensors,
  saveModel,
  trainableParameters,
  Trainer,
} from "lightweight-finetuning";

await openDevice();
const { trainableParameters: LINES } = JSON.parse(
  await Deno.readTextFile(fixture("expected.json")),
);
const expected = await readSafetensors(`${fixture("nf4")}/expected.safetensors`);
const cases = [...expected.keys()].filter((name) => name.endsWith(".numbers"))
  .map((name) => name.replace(".numbers", ""));

for (const name of cases) {
  Deno.test(`quantizeNf4() and dequantizeNf4() give bitsandbytes' numbers for ${name}`, () => {
    const get = (key: string) => expected.get(`${name}.${key}`)!.data as Float32Array;
    const sparse = name === "more than 256 blocks"; // kept as multiples of 1/32, and one in 16
    const numbers = sparse ? Float32Array.from(get("numbers"), (x) => x / 32) : get("numbers");
    const { codes, absmax, nestedAbsmax, nestedOffset } = quantizeNf4(numbers);
    assert.deepEqual(codes.subarray(0, get("codes").length), get("codes"));
    assert.deepEqual(absmax.subarray(0, get("absmax").length), get("absmax"));
    assert.deepEqual(nestedAbsmax, get("nested_absmax"));
    assert.deepEqual([nestedOffset], [...get("nested_offset")]);
    const dequantized = tf.tidy(() =>
      dequantizeNf4({
        codes: port().packBytes(codes),
        absmax: port().packBytes(absmax),
        nestedAbsmax: tf.tensor1d(nestedAbsmax),
        nestedOffset,
      }, [numbers.length]).dataSync<"float32">()
    );
    assert.deepEqual(
      dequantized.filter((_, i) => !sparse || i % 16 === 0),
      get("dequantized"),
    );
    const held = {
      codes: port().packBytes(codes),
      absmax: port().packBytes(absmax),
      nestedAbsmax: tf.tensor1d(nestedAbsmax),
      nestedOffset,
    };
    const forProduct = () => dequantizeForProduct(held, [1, numbers.length]);
    assert.deepEqual(tf.tidy(() => forProduct().dataSync<"float32">()), dequantized);
    using _ = useBf16();
    const rounded = toFloat32(toBf16(tf.tensor1d(dequantized))).dataSync();
    assert.deepEqual(tf.tidy(() => toFloat32(forProduct()).dataSync()), rounded);
  });
}

const load = async (kind: string, loadIn4bit: boolean) =>
  await loadClassifier((await readReference(kind)).folder, { loadIn4bit });

/** The plain model with the weights that the 4-bit one computes with. */
async function dequantized(kind: string, model: Classifier): Promise<Classifier> {
  const plain = await load(kind, false);
  for (const [module, layer] of model.linears) {
    tf.tidy(() => plain.parameters.get(`${module}.weight`)!.assign(layer.weight()));
  }
  return plain;
}

for (const kind of KINDS) {
  Deno.test(`loadClassifier() gives Transformers' 4-bit logits for ${kind}`, async () => {
    const { folder, batch, numbers } = await readReference(kind);
    const fourBit = (await readExpected(fixture("nf4"))).numbers;
    const model = await loadClassifier(folder, { loadIn4bit: true });
    const logits = model.forward(batch()).dataSync();
    assertClose(logits, fourBit(`${kind}.logits`), 1e-5);
    assert.ok(maxDifference(logits, numbers("logits")) > 0.01);
    const adapter = await loadAdapter(model, `${folder}/adapter`);
    assertClose(adapter.forward(batch()).dataSync(), fourBit(`${kind}.lora.logits`), 1e-5);
  });

  Deno.test(`loadClassifier() holds ${kind}'s linear layers but the head's at four bits`, async () => {
    const [plain, model] = [await load(kind, false), await load(kind, true)];
    const head = families[kind].headShapes(plain.config.hiddenSize, plain.labels.length);
    const names = new Set<string>();
    for (const [name, variable] of plain.parameters) {
      const { size, shape } = variable;
      const held = model.parameters.get(name)!;
      names.add(name);
      if (shape.length === 1 || name.includes("embeddings.") || name in head) {
        assert.deepEqual(held.dataSync(), variable.dataSync(), name);
        continue;
      }
      assert.deepEqual([held.dtype, held.size, held.trainable], ["int32", size / 8, false], name);
      for (const scales of [".absmax", ".nested_absmax"]) {
        const { trainable } = model.parameters.get(name + scales)!;
        assert.equal(trainable, false);
        names.add(name + scales);
      }
    }
    assert.deepEqual(new Set(model.parameters.keys()), names);
    const adapter = await loadAdapter(model, `${fixture(kind)}/adapter`);
    assert.equal(String(trainableParameters(adapter)), LINES[kind]); // peft's is the same for both
  });

  Deno.test(`an adapter on ${kind} in 4 bits has the gradients of one on the same weights in float32`, async () => {
    const { folder, batch } = await readReference(kind);
    const model = await load(kind, true);
    const plain = await loadAdapter(await dequantized(kind, model), `${folder}/adapter`);
    const fourBit = await loadAdapter(model, `${folder}/adapter`);
    const [actual, reference] = [fourBit, plain].map((model) => lossAndGradients(model, batch()));
    assertClose([actual!.loss], [reference!.loss], 1e-6);
    assert.ok(actual!.gradients.size > 4);
    for (const [name, gradient] of actual!.gradients) {
      assertClose(gradient, reference!.gradients.get(name)!, 1e-5, name);
    }
  });
}

Deno.test("linear4bit() keeps no float weight for the backward pass", async () => {
  const model = await load("bert", true);
  const layer = model.linears.get("bert.encoder.layer.0.intermediate.dense")!;
  const x = tf.variable(tf.ones<tf.Rank.R2>([3, layer.shape[1]]));
  const before = tf.memory();
  const kept: number[] = [];
  const { value, grads } = tf.variableGrads(() => {
    tf.tidy(() => void layer.weight());
    kept.push(tf.memory().numDataBuffers - before.numDataBuffers);
    const y = layer.apply(x);
    kept.push(tf.memory().numDataBuffers - before.numDataBuffers);
    return tf.sum(y);
  }, [x]);
  assert.deepEqual(kept, [0, 1]); // nothing, and y alone
  tf.dispose([value, ...Object.values(grads)]);
  assert.equal(tf.memory().numBytes, before.numBytes);
});

Deno.test("Trainer trains an adapter on 4-bit weights and leaves them bit for bit", async () => {
  const rows = examples(await readReference("bert"), 1);
  const model = await load("bert", true);
  const before = new Map([...model.parameters].map(([name, x]) => [name, x.dataSync().slice()]));
  const adapter = addLora(model, { loraDropout: 0.1, targetModules: ["query", "dense"] });
  const counts: number[] = [];
  const trainer = new Trainer(adapter, {
    trainDataset: rows,
    evalDataset: rows,
    numTrainEpochs: 40,
    learningRate: 1e-2,
    evalSteps: 20,
    listeners: [({ type }) => void (type === "step" && counts.push(tf.memory().numTensors))],
  });
  await trainer.train();
  const losses = trainer.history.map(({ evalLoss }) => evalLoss!);
  assert.ok(losses.at(-1)! < 0.7 * losses[0]!, `${losses}`);
  assert.deepEqual(counts.slice(1), counts.slice(1).fill(counts[1]!));
  for (const [name, values] of before) {
    const now = model.parameters.get(name)!.dataSync();
    if (name.startsWith("classifier")) assert.notDeepEqual(now, values, name);
    else assert.deepEqual(now, values, name);
  }
});

Deno.test("memoryFootprint() is what the device holds for a model", async () => {
  for (const loadIn4bit of [false, true]) {
    const before = tf.memory().numBytes;
    const model = await load("roberta", loadIn4bit);
    assert.equal(memoryFootprint(model), tf.memory().numBytes - before);
    model.dispose();
    assert.equal(tf.memory().numBytes, before);
  }
});

Deno.test("saveModel() refuses 4-bit weights", async () => {
  await using folder = await temporaryFolder();
  await assert.rejects(saveModel(await load("bert", true), folder.path), {
    message: "Cannot save the model as 'loadIn4bit' must be false: current value is true. " +
      "Save the adapter with saveAdapter; to merge it, load it with the model in float32",
  });
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
});
