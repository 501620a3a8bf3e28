import * as tf from "@tensorflow/tfjs-core";
import type { TensorFlowBackend } from "./tensorflow.ts";

/** An attribute of an op: a type by TensorFlow's name for it, a truth value, or a float. */
export type RawAttribute = "TF_FLOAT" | "TF_INT32" | "TF_UINT8" | boolean | number;

/** Runs an op of TensorFlow that tfjs has no function for; it has no gradient. */
export function rawOp(
  name: string,
  inputs: tf.Tensor[],
  attributes: Record<string, RawAttribute> = {},
  outputs = 1,
): tf.Tensor[] {
  const backend = tf.backend() as unknown as TensorFlowBackend;
  const { binding } = backend;
  const typed = Object.entries(attributes).map(([name, value]) => {
    if (typeof value === "string") {
      return { name, type: binding.TF_ATTR_TYPE!, value: binding[value] };
    }
    return {
      name,
      type: binding[typeof value === "boolean" ? "TF_ATTR_BOOL" : "TF_ATTR_FLOAT"]!,
      value,
    };
  });
  return backend.executeMultipleOutputs(name, typed, inputs, outputs);
}
