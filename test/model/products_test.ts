import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { addLora, loadClassifier, openDevice, type TextModel } from "lightweight-finetuning";
import { port } from "../../lib/device/port.ts";
import type { TensorFlowBackend } from "../../lib/device/tensorflow.ts";
import { lossAndGradients } from "../helpers/gradients.ts";
import { readReference } from "../helpers/reference.ts";

const reference = await readReference("bert");
await openDevice();
// On a GPU attention's products are TensorFlow's own too.
const ignore = !port().kernels.attention;

/** How many matrix products a step of the two-layer model takes, attention's own aside. */
function countProducts(model: TextModel): number {
  const backend = tf.backend() as unknown as TensorFlowBackend;
  const { executeSingleOutput, executeMultipleOutputs } = backend;
  let count = 0;
  backend.executeSingleOutput = function (name, ...rest) {
    if (/MatMul/.test(name)) count++;
    return executeSingleOutput.call(backend, name, ...rest);
  };
  backend.executeMultipleOutputs = function (name, ...rest) {
    if (/MatMul/.test(name)) count++;
    return executeMultipleOutputs.call(backend, name, ...rest);
  };
  try {
    lossAndGradients(model, reference.batch());
  } finally {
    Object.assign(backend, { executeSingleOutput, executeMultipleOutputs });
  }
  return count;
}

// Six linear layers in each of two encoder layers, the pooler and the head.
const FORWARD = 2 * 6 + 2;

Deno.test("a full step takes three products a linear layer", { ignore }, async () => {
  const model = await loadClassifier(reference.folder);
  assert.equal(countProducts(model), 3 * FORWARD);
});

Deno.test("a LoRA step computes no gradient of a frozen weight, and none below the first adapter", {
  ignore,
}, async () => {
  const model = await loadClassifier(reference.folder);
  const adapter = addLora(model, { targetModules: ["query", "value"] });
  const lora = 2 * 2; // A and B of query and value
  const head = 2 + 1; // the classifier's weight and input, the pooler's input
  const last = 6 + 2 * lora; // every layer's input; A, B and their inputs
  const first = 3 + 2 * lora - 2; // as far down as query and value, but not to the embeddings
  assert.equal(countProducts(adapter), FORWARD + 2 * lora + head + last + first);
});
