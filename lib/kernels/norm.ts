import * as tf from "@tensorflow/tfjs-core";
import { type FusedKernels, port } from "../device/port.ts";
import type { Random } from "../device/random.ts";
import { sumRowProducts, sumRows } from "./add.ts";
import { differentiable } from "./differentiable.ts";
import { drawDropout, drop } from "./dropout.ts";

/** The parameters of a layer normalisation. */
export interface NormWeights {
  /** [H] */
  scale: tf.Variable<tf.Rank.R1>;
  /** [H] */
  shift: tf.Variable<tf.Rank.R1>;
  /** Added to the variance. */
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
  const { addNorm = plainAddNorm, addNormGrad = plainAddNormGrad } = port().kernels;
  const dropout = drawDropout(rate, random);
  const type = port().typeOf(x);
  return differentiable({ x, residual, scale, shift }, (save) => {
    const [y, normal, inverse] = addNorm(x, residual, scale, shift, epsilon, dropout);
    save([normal, inverse, scale]);
    return y;
  }, (dy, saved) => {
    const [normal, inverse, factor] = saved as [tf.Tensor2D, tf.Tensor1D, tf.Tensor1D];
    const [dx, dresidual] = addNormGrad(dy, normal, inverse, factor, type, dropout);
    return {
      x: dx,
      residual: dresidual,
      ...scale.trainable && { scale: sumRowProducts(dy, normal) },
      ...shift.trainable && { shift: sumRows(dy) },
    };
  });
}

const plainAddNorm: FusedKernels["addNorm"] = (x, residual, scale, shift, epsilon, dropout) => {
  const sum = tf.add(drop(x, dropout), residual);
  const centred = tf.sub(sum, tf.mean(sum, -1, true));
  const variance = tf.mean(tf.square(centred), -1, true);
  const inverse = tf.rsqrt(tf.add(variance, epsilon)); // [N, 1]
  const normal = tf.mul<tf.Tensor2D>(centred, inverse);
  return [tf.add(tf.mul(normal, scale), shift), normal, tf.reshape(inverse, [-1])];
};

const plainAddNormGrad: FusedKernels["addNormGrad"] = (
  ...[dy, normal, inverse, scale, _type, dropout]
) => {
  const d = tf.mul(dy, scale);
  const alongNormal = tf.mul(normal, tf.mean(tf.mul(d, normal), -1, true));
  const change = tf.sub(tf.sub(d, tf.mean(d, -1, true)), alongNormal);
  const dresidual = tf.mul<tf.Tensor2D>(tf.reshape(inverse, [-1, 1]), change);
  return [dropout ? drop(dresidual, dropout) : dresidual.clone(), dresidual];
};
