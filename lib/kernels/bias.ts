import * as tf from "@tensorflow/tfjs-core";
import { fused, hasFused } from "./native.ts";

/**
 * x + bias, row by row: [N, H] and [H]. It has no gradient.
 *
 * @param x A buffer that nothing else uses, as it may become the result.
 */
export function addBias(x: tf.Tensor2D, bias: tf.Tensor1D): tf.Tensor2D {
  if (!hasFused()) return tf.add(x, bias);
  fused("AddBias", [x, bias], 0);
  return x;
}
