import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "../device/random.ts";
import { differentiable } from "./differentiable.ts";
import { dropout } from "./dropout.ts";
import { fused, hasFused, nextKey } from "./native.ts";

/**
 * Scaled dot-product attention with dropout on its probabilities.
 *
 * @param q Queries [B·Q, A·D].
 * @param k Keys [B·T, A·D], as `v` (values).
 * @param mask Added to the scores, [B, T]: 0 for a token, a large negative number for padding.
 * @param heads A, the number of heads.
 * @returns [B·Q, A·D]
 * @see Vaswani et al., Attention Is All You Need, 2017, §3.2
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
  const [B, T] = mask.shape;
  const D = q.shape[1] / heads;
  const p = random ? rate : 0;
  if (!hasFused()) {
    const split = (x: tf.Tensor2D) =>
      tf.transpose(tf.reshape(x, [B, x.shape[0] / B, heads, D]), [0, 2, 1, 3]);
    const scores = tf.matMul(tf.mul(split(q), 1 / Math.sqrt(D)), split(k), false, true);
    const masked = tf.add(scores, tf.reshape(mask, [B, 1, 1, T])); // [B, A, Q, T]
    const context = tf.matMul(dropout(tf.softmax(masked), p, random), split(v));
    return tf.reshape(tf.transpose(context, [0, 2, 1, 3]), q.shape);
  }
  const numbers = { rate: p, width: D };
  return differentiable({ q, k, v }, (save) => {
    const key = p ? nextKey(random!) : tf.zeros([2], "int32");
    const [y, logSum] = fused("Attention", [q, k, v, mask, key], 2, numbers);
    save([q, k, v, mask, key, logSum!]);
    return y as tf.Tensor2D;
  }, (dy, saved) => {
    const [dq, dk, dv] = fused("AttentionGrad", [...saved, dy], 3, numbers);
    return { q: dq!, k: dk!, v: dv! };
  });
}
