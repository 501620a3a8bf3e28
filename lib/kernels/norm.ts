import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "../device/random.ts";
import { differentiable } from "./differentiable.ts";
import { dropout } from "./dropout.ts";
import { fused, hasFused, nextKey } from "./native.ts";
import { sumRowProducts, sumRows } from "./sum.ts";

/** What scales, shifts and steadies a normalisation. */
export interface NormWeights {
  /** [H] */
  scale: tf.Variable<tf.Rank.R1>;
  /** [H] */
  shift: tf.Variable<tf.Rank.R1>;
  epsilon: number;
}

/**
 * Normalises each row of `dropout(x) + residual`, both [N, H], to mean 0 and variance 1, then scales and shifts it.
 *
 * @see Ba et al., Layer Normalization, 2016
 */
export function addNorm(
  x: tf.Tensor2D,
  residual: tf.Tensor2D,
  { scale, shift, epsilon }: NormWeights,
  rate = 0,
  random?: Random,
): tf.Tensor2D {
  if (!hasFused()) {
    return layerNorm(tf.add(dropout(x, rate, random), residual), { scale, shift, epsilon });
  }
  const p = random ? rate : 0;
  return differentiable({ x, residual, scale, shift }, (save) => {
    const key = p ? nextKey(random!) : tf.zeros([2], "int32");
    const inputs = [x, residual, scale, shift, key];
    const [y, normal, inverse] = fused("AddNorm", inputs, 3, { rate: p, epsilon });
    save([normal!, inverse!, scale, key]);
    return y as tf.Tensor2D;
  }, (dy, [normal, inverse, factor, key]) => {
    const [dx, dresidual] = fused("AddNormGrad", [dy, normal!, inverse!, factor!, key!], 2, {
      rate: p,
    });
    return {
      x: dx!,
      residual: dresidual!,
      ...weightGradients(dy, normal!, scale, shift),
    };
  });
}

function layerNorm(x: tf.Tensor2D, { scale, shift, epsilon }: NormWeights): tf.Tensor2D {
  return differentiable({ x, scale, shift }, (save) => {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const variance = tf.mean(tf.square(centred), -1, true);
    const inverse = tf.rsqrt(tf.add(variance, epsilon)); // [N, 1]
    const normal = tf.mul(centred, inverse);
    save([normal, inverse, scale]);
    return tf.add(tf.mul(normal, scale), shift) as tf.Tensor2D;
  }, (dy, [normal, inverse, factor]) => {
    const d = tf.mul(dy, factor!);
    const alongNormal = tf.mul(normal!, tf.mean(tf.mul(d, normal!), -1, true));
    return {
      x: tf.mul(inverse!, tf.sub(tf.sub(d, tf.mean(d, -1, true)), alongNormal)),
      ...weightGradients(dy, normal!, scale, shift),
    };
  });
}

const weightGradients = (
  dy: tf.Tensor,
  normal: tf.Tensor,
  scale: tf.Variable,
  shift: tf.Variable,
): { scale?: tf.Tensor; shift?: tf.Tensor } => ({
  ...scale.trainable && { scale: sumRowProducts(dy, normal) },
  ...shift.trainable && { shift: sumRows(dy) },
});
