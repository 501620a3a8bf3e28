import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "../device/random.ts";

/**
 * An op with its own gradient. Unlike `tf.customGrad`, it computes an input's gradient only when that input leads to a
 * trained variable, so that a frozen weight costs nothing.
 */
function differentiable<Name extends string>(
  inputs: Record<Name, tf.Tensor>,
  forward: (save: (tensors: tf.Tensor[]) => void) => tf.Tensor,
  backward: (dy: tf.Tensor, saved: tf.Tensor[]) => Record<Name, () => tf.Tensor>,
): tf.Tensor {
  // The method that tf.customGrad calls in its turn; only its type is private.
  const engine = tf.engine() as unknown as { runKernelFunc(op: unknown): tf.Tensor };
  return engine.runKernelFunc({
    inputs,
    forwardFunc: (_backend: unknown, save: (tensors: tf.Tensor[]) => void) => forward(save),
    backwardsFunc: backward,
  });
}

/**
 * Normalises each row of `x` [N, H] to mean 0 and variance 1, then scales and shifts it.
 *
 * @see Ba et al., Layer Normalization, 2016
 */
export function layerNorm(
  x: tf.Tensor2D,
  scale: tf.Tensor1D,
  shift: tf.Tensor1D,
  epsilon: number,
): tf.Tensor2D {
  return differentiable({ x, scale, shift }, (save) => {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const variance = tf.mean(tf.square(centred), -1, true);
    const inverse = tf.rsqrt(tf.add(variance, epsilon)); // [N, 1]
    const normal = tf.mul(centred, inverse);
    save([normal, inverse, scale]);
    return tf.add(tf.mul(normal, scale), shift);
  }, (dy, [normal, inverse, scale]) => ({
    x: () => {
      const d = tf.mul(dy, scale!);
      const alongNormal = tf.mul(normal!, tf.mean(tf.mul(d, normal!), -1, true));
      return tf.mul(inverse!, tf.sub(tf.sub(d, tf.mean(d, -1, true)), alongNormal));
    },
    scale: () => tf.sum(tf.mul(dy, normal!), 0),
    shift: () => tf.sum(dy, 0),
  })) as tf.Tensor2D;
}

/**
 * x · Φ(x) with the exact error function, as Transformers' "gelu".
 *
 * @see Hendrycks and Gimpel, Gaussian Error Linear Units, 2016
 */
export function gelu(x: tf.Tensor2D): tf.Tensor2D {
  return differentiable({ x }, (save) => {
    const cdf = tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
    save([x, cdf]);
    return tf.mul(x, cdf);
  }, (dy, [x, cdf]) => ({
    x: () => {
      const pdf = tf.mul(tf.exp(tf.mul(tf.square(x!), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return tf.mul(dy, tf.add(cdf!, tf.mul(x!, pdf)));
    },
  })) as tf.Tensor2D;
}

/** Zeroes each number with probability `rate` and scales up the rest; without `random` it changes nothing. */
export function dropout<T extends tf.Tensor>(x: T, rate: number, random?: Random): T {
  if (!random || rate === 0) return x;
  const kept = tf.cast(tf.greaterEqual(random.uniform(x.shape as [number]), rate), "float32");
  return tf.mul(x, tf.mul(kept, 1 / (1 - rate)));
}

/**
 * Scaled dot-product attention.
 *
 * @param q Queries [B, A, T, D], as `k` (keys) and `v` (values).
 * @param mask Added to the scores, [B, 1, 1, T]: 0 for a token, a large negative number for padding.
 * @see Vaswani et al., Attention Is All You Need, 2017, §3.2.1
 */
export function attention(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  mask: tf.Tensor4D,
  rate: number,
  random?: Random,
): tf.Tensor4D {
  const scaled = tf.mul(q, 1 / Math.sqrt(q.shape[3]));
  const scores = tf.add(tf.matMul(scaled, k, false, true), mask); // [B, A, T, T]
  return tf.matMul(dropout(tf.softmax(scores), rate, random), v);
}

/** Mean cross-entropy of `logits` [B, C] against classes [B]. */
export function crossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  const targets = tf.oneHot(labels, logits.shape[1]);
  return tf.neg(tf.mean(tf.sum(tf.mul(targets, tf.logSoftmax(logits)), -1)));
}
