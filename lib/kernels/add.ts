import * as tf from "@tensorflow/tfjs-core";
import { port } from "../device/port.ts";
import { differentiable } from "./differentiable.ts";

/** a + b, both of one shape; unlike `tf.add` it keeps neither for the gradient. */
export function add(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  return differentiable(
    { a, b },
    () => tf.add<tf.Tensor2D>(a, b),
    (dy) => ({ a: dy.clone(), b: dy.clone() }),
  );
}

/**
 * x + bias, row by row: [N, H] and [H]. It has no gradient.
 *
 * @param x A buffer that nothing else uses, as it may be overwritten with the result.
 */
export const addBias = (x: tf.Tensor2D, bias: tf.Tensor1D): tf.Tensor2D =>
  port().kernels.addBias?.(x, bias) ?? tf.add(x, bias);

/** The sum of a matrix's rows, [N, H] → [H]; it has no gradient. */
export const sumRows = (x: tf.Tensor2D): tf.Tensor1D => port().kernels.sumRows?.(x) ?? tf.sum(x, 0);

/** The sum of the rows of the elementwise product x · y, both [N, H] → [H]; it has no gradient. */
export const sumRowProducts = (x: tf.Tensor2D, y: tf.Tensor2D): tf.Tensor1D =>
  port().kernels.sumRowProducts?.(x, y) ?? tf.sum(tf.mul(x, y), 0);
