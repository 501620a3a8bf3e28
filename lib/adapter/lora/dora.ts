import * as tf from "@tensorflow/tfjs-core";
import { port } from "../../device/port.ts";
import { add } from "../../kernels/add.ts";
import { differentiable } from "../../kernels/differentiable.ts";
import { dropout } from "../../kernels/dropout.ts";
import { float32, product, rounded } from "../../kernels/product.ts";
import type { Linear } from "../../model/linear.ts";

/** A change ΔW of a layer's weight: a layer without a bias. */
export type Update = Omit<Linear, "bias">;

/**
 * A layer whose update changes the directions of the weights' rows, while their norms are parameters of their own:
 * W' = magnitude · (W + ΔW) / ‖W + ΔW‖.
 *
 * @param magnitude The norms of the rows, [out].
 * @param rate Dropout rate of the update's input.
 * @see Liu et al., DoRA, 2024; peft's DoraLinearLayer
 */
export function dora(base: Linear, update: Update, magnitude: tf.Tensor1D, rate: number): Linear {
  const scale = () => tf.div<tf.Tensor1D>(magnitude, rowNorms(base, update));
  return {
    shape: base.shape,
    weight: () =>
      tf.mul(tf.add(base.weight(), update.weight()), tf.reshape(scale(), [base.shape[0], 1])),
    bias: base.bias,
    apply(x, random) {
      // As in peft, dropout does not apply to the base's output, to which W'·kept − W·kept is added.
      const kept = dropout(x, rate, random);
      const product = float32(withoutBias(base, kept));
      const adapted = tf.mul(add(product, float32(update.apply(kept))), scale());
      return rounded(add(float32(base.apply(x, random)), tf.sub(adapted, product)));
    },
  };
}

/** The norm of each row of W + ΔW, [out]; the gradient treats it as a constant (§4.3). */
export function rowNorms(base: Linear, update: Update): tf.Tensor1D {
  const rows = () => tf.add<tf.Tensor2D>(base.weight(), update.weight());
  // Ops inside are not recorded, and without inputs there is no gradient.
  return differentiable({}, () => tf.sqrt<tf.Tensor1D>(tf.sum(tf.square(rows()), 1)), () => ({}));
}

/** x·Wᵀ; a quantised weight is dequantised again for the gradient, and not kept meanwhile. */
function withoutBias({ weight }: Linear, x: tf.Tensor2D): tf.Tensor2D {
  const { precision, product: multiply, cast, typeOf } = port();
  const type = typeOf(x);
  return differentiable(
    { x },
    () => product(x, weight()),
    (dy) => ({
      x: precision === "float32" ? tf.matMul(dy, weight()) : cast(multiply(dy, weight()), type),
    }),
  );
}
