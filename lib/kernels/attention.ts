import * as tf from "@tensorflow/tfjs-core";
import { type FusedKernels, port } from "../device/port.ts";
import type { Random } from "../device/random.ts";
import { differentiable } from "./differentiable.ts";
import { drawDropout, drop } from "./dropout.ts";

/**
 * Scaled dot-product attention with dropout on its probabilities. For the gradient only the logarithm of each softmax's
 * denominator is kept, and the probabilities are recomputed.
 *
 * @param q Queries [B·Q, A·D].
 * @param k Keys [B·T, A·D], as `v` (values).
 * @param mask Added to the scores, [B, T]: 0 for a token, a large negative number for padding.
 * @param heads A, the number of heads.
 * @param rate Dropout rate; without `random` there is no dropout.
 * @returns The result [B·Q, A·D].
 * @throws {RangeError} When the heads do not divide the width; when `rate` is not at least 0 and below 1.
 * @see Vaswani et al., Attention Is All You Need, 2017, §3.2; Dao et al., FlashAttention, 2022, §3.1
 */
export function attention(
  q: tf.Tensor2D,
  k: tf.Tensor2D,
  v: tf.Tensor2D,
  mask: tf.Tensor2D,
  heads: number,
  rate = 0,
  random?: Random,
): tf.Tensor2D {
  if (!(heads > 0 && Number.isInteger(heads) && Number.isInteger(q.shape[1] / heads))) {
    throw new RangeError(
      `Cannot compute attention as 'heads' must be a divisor of ${
        q.shape[1]
      }: current value is ${heads}`,
    );
  }
  const { attention = plainAttention, attentionGrad = plainAttentionGrad } = port().kernels;
  const dropout = drawDropout(rate, random);
  return differentiable({ q, k, v }, (save) => {
    const [y, logSum] = attention(q, k, v, mask, heads, dropout);
    save([q, k, v, mask, logSum]);
    return y;
  }, (dy, saved) => {
    type Matrix = tf.Tensor2D;
    const [q, k, v, mask, logSum] = saved as [Matrix, Matrix, Matrix, Matrix, tf.Tensor3D];
    const [dq, dk, dv] = attentionGrad(q, k, v, mask, heads, logSum, dy, dropout);
    return { q: dq, k: dk, v: dv };
  });
}

const plainAttention: FusedKernels["attention"] = (q, k, v, mask, heads, dropout) => {
  const [queries, keys, values] = split(mask, heads, q, k, v);
  const scores = maskedScores(queries!, keys!, mask);
  const p = tf.softmax(scores);
  // The largest probability is exp(its score − logSum).
  const logSum = tf.sub<tf.Tensor3D>(tf.max(scores, -1), tf.log(tf.max(p, -1)));
  return [joined(tf.matMul(drop(p, dropout), values!)), logSum];
};

const plainAttentionGrad: FusedKernels["attentionGrad"] = (
  ...[q, k, v, mask, heads, logSum, dy, dropout]
) => {
  const [queries, keys, values, d] = split(mask, heads, q, k, v, dy);
  const scores = maskedScores(queries!, keys!, mask);
  const p = tf.exp(tf.sub(scores, tf.expandDims(logSum, -1)));
  const dropped = drop(p, dropout);
  const g = tf.mul(dropped, tf.matMul(d!, values!, false, true));
  const change = tf.sub(g, tf.mul(p, tf.sum(g, -1, true)));
  const dScores = tf.mul<tf.Tensor4D>(change, 1 / Math.sqrt(queries!.shape[3]));
  return [
    joined(tf.matMul(dScores, keys!)),
    joined(tf.matMul(dScores, queries!, true)),
    joined(tf.matMul(dropped, d!, true)),
  ];
};

/** q·kᵀ / √D + mask: [B, A, Q, D] and [B, A, T, D] → [B, A, Q, T] */
function maskedScores(q: tf.Tensor4D, k: tf.Tensor4D, mask: tf.Tensor2D): tf.Tensor4D {
  const [B, T] = mask.shape;
  const scores = tf.matMul(tf.mul(q, 1 / Math.sqrt(q.shape[3])), k, false, true);
  return tf.add(scores, tf.reshape(mask, [B, 1, 1, T]));
}

/** Each [B·T, A·D] → [B, A, T, D] */
const split = ({ shape: [B] }: tf.Tensor2D, A: number, ...all: tf.Tensor2D[]): tf.Tensor4D[] =>
  all.map((x) => tf.transpose(tf.reshape(x, [B, x.shape[0] / B, A, x.shape[1] / A]), [0, 2, 1, 3]));

/** [B, A, T, D] → [B·T, A·D] */
function joined(x: tf.Tensor4D): tf.Tensor2D {
  const [B, A, T, D] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [B * T, A * D]);
}
