import * as tf from "@tensorflow/tfjs-core";
import { port } from "../device/port.ts";
import { differentiable } from "./differentiable.ts";

/** a · bᵀ, [N, K] and [M, K] → [N, M], in the type in which the device computes products. */
export function product(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  if (port().precision === "float32") return tf.matMul(a, b, false, true);
  return differentiable({ a, b }, (save) => {
    save([a, b]);
    return port().product(a, b, false, true);
  }, (dy, saved) => {
    const [a, b] = saved as [tf.Tensor2D, tf.Tensor2D];
    return { a: port().product(dy, b), b: port().product(dy, a, true) };
  });
}
