import type * as tf from "@tensorflow/tfjs-core";
import { port } from "../device/port.ts";
import type { Random } from "../device/random.ts";
import { addBias, sumRows } from "../kernels/add.ts";
import { differentiable } from "../kernels/differentiable.ts";

/** A linear layer, y = x·Wᵀ + b. An adapter wraps it; quantisation replaces it. */
export interface Linear {
  /** [out, in] of W. */
  readonly shape: [output: number, input: number];
  /** [N, in] → [N, out], in the type of the device's products; `random` is the source of dropout. */
  apply(x: tf.Tensor2D, random?: Random): tf.Tensor2D;
  /** The current W, [out, in]; call it within a tidy. */
  weight(): tf.Tensor2D;
  /** The current b, [out]; call it within a tidy. */
  bias(): tf.Tensor1D;
}

/** A layer of two parameters; it keeps its input for the gradient only if its weight is trained. */
export function linear(weight: tf.Variable<tf.Rank.R2>, bias: tf.Variable<tf.Rank.R1>): Linear {
  return {
    shape: weight.shape,
    weight: () => weight,
    bias: () => bias,
    apply(x) {
      const { product, cast, typeOf } = port();
      const type = typeOf(x);
      return differentiable({ x, weight, bias }, (save) => {
        save(weight.trainable ? [weight, x] : [weight]);
        return addBias(product(x, weight, false, true), bias);
      }, (dy, [weight, x]) => ({
        x: cast(product(dy, weight as tf.Tensor2D), type),
        ...x && { weight: product(dy, x as tf.Tensor2D, true) },
        ...bias.trainable && { bias: sumRows(dy) },
      }));
    },
  };
}
