import { equal } from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { type Batch, crossEntropy, type TextModel } from "lightweight-finetuning";
import { port } from "../../lib/device/port.ts";
import { assertClose } from "./close.ts";

/** What peft puts before the names of parameters. */
export const PEFT = "base_model.model.";

/** Softmax ignores a shift of all scores, so a key bias has no gradient. */
export const withoutGradient = (name: string) => /attention\.(self\.key|k_lin)\.bias$/.test(name);

/** Loss of a batch without dropout, and the gradient of each trainable parameter by its name in a checkpoint. */
export function lossAndGradients(model: TextModel, batch: Batch) {
  const trainable = [...model.parameters].filter(([, variable]) => variable.trainable);
  const { value, grads } = tf.variableGrads(
    () => crossEntropy(model.forward(batch), tf.tensor1d(batch.labels)),
    trainable.map(([, variable]) => variable),
  );
  const gradients = new Map(trainable.map(([name, variable]) => {
    const gradient = port().cast(grads[variable.name]!, "float32");
    const numbers = gradient.dataSync<"float32">();
    tf.dispose([gradient, grads[variable.name]!]);
    return [name, numbers];
  }));
  const loss = value.dataSync()[0]!;
  value.dispose();
  return { loss, gradients };
}

/** Fails unless all gradients are PyTorch's within 1e-4 of the parameter's largest; gives the largest difference. */
export function assertGradients(
  gradients: Map<string, Float32Array>,
  expected: Map<string, Float32Array>,
): number {
  equal(gradients.size, expected.size);
  const differences = [...gradients].map(([name, gradient]) => {
    const reference = expected.get(name) ?? expected.get(PEFT + name)!;
    if (!withoutGradient(name)) return assertClose(gradient, reference, 1e-4, name);
    return assertClose(gradient.map((x) => x + 1), reference.map(() => 1), 1e-5, name);
  });
  return Math.max(...differences);
}
