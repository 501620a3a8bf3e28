import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { assertClose } from "../helpers/close.ts";
import { assertGradients, lossAndGradients } from "../helpers/gradients.ts";
import { readExpected, type Reference } from "../helpers/reference.ts";
import { logitsOf, parity, python, report } from "../helpers/live.ts";
import { fetchBaseModel, profile } from "course";
import { type Classifier, loadAdapter, loadClassifier } from "lightweight-finetuning";

/** Compares 4-bit weights with bitsandbytes'; gives how many scales have another code, and the largest difference. */
function compareWeights(model: Classifier, reference: Reference) {
  const isEqual = (name: string) => {
    const held = new Uint8Array(model.parameters.get(name)!.dataSync<"int32">().buffer);
    return Array.from(reference.numbers(name), (byte, i) => byte === held[i]);
  };
  const weights = [...model.parameters].filter(([name, { dtype }]) =>
    dtype === "int32" && name.endsWith(".weight")
  );
  const scales: boolean[] = [];
  const differences = weights.map(([name]) => {
    assert.ok(isEqual(name).every(Boolean), name);
    scales.push(...isEqual(`${name}.absmax`));
    const layer = model.linears.get(name.replace(/\.weight$/, ""))!;
    const weight = tf.tidy(() => layer.weight().dataSync<"float32">());
    return assertClose(weight, reference.numbers(`dequantized.${name}`), 1e-3, name);
  });
  const others = scales.filter((isEqual) => !isEqual).length;
  return { scales: scales.length, others, difference: Math.max(...differences) };
}

for (const exact of [true, false]) {
  const name = `MiniLM in 4 bits${exact ? "" : ", PyTorch's mean"}`;
  parity(`${name}, is bitsandbytes'`, async (folder) => {
    const encoder = await fetchBaseModel(profile("sample"));
    await python("nf4.py", folder, encoder, ...exact ? ["exact"] : []);
    const reference = await readExpected(folder);
    const batch = reference.batch();
    const model = await loadClassifier(`${folder}/model`, { loadIn4bit: true });
    const { scales, others, difference } = compareWeights(model, reference);
    console.log(`${name}: all codes are equal, and all but ${others} of ${scales} scales`);
    report(`${name}, weights`, difference);
    assert.ok(exact ? others + difference === 0 : others < scales / 1e4);
    const logits = assertClose(logitsOf(model, batch), reference.numbers("logits"), 1e-4);
    report(`${name}, logits`, logits);
    const adapter = await loadAdapter(model, `${folder}/adapter`);
    const lora = assertClose(logitsOf(adapter, batch), reference.numbers("lora.logits"), 1e-4);
    report(`${name}, logits with LoRA`, lora);
    if (!exact) return;
    const { loss, gradients } = lossAndGradients(adapter, batch);
    assertClose([loss], reference.numbers("lora.loss"), 1e-4);
    const expected = reference.group("lora.grad.");
    report(`${name}, gradients with LoRA`, assertGradients(gradients, expected));
  });
}
