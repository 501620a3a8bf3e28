import * as tf from "@tensorflow/tfjs-core";

/**
 * Mean cross-entropy of `logits` [B, C] against classes [B], each from 0 to C - 1 (any other counts as a loss of 0).
 *
 * @param weights Weight of each class, [C], at least 0: a row counts as much as its class's weight says, as in torch's
 * `CrossEntropyLoss(weight)`. Where all rows weigh 0 the loss is 0; torch's is NaN. @default {each row counts the same}
 */
export function crossEntropy(
  logits: tf.Tensor2D,
  labels: tf.Tensor1D,
  weights?: tf.Tensor1D,
): tf.Scalar {
  const targets = tf.oneHot(labels, logits.shape[1]);
  if (!weights) return tf.neg(tf.mean(tf.sum(tf.mul(targets, tf.logSoftmax(logits)), -1)));
  const weighted = tf.mul(targets, weights);
  const total = tf.sum(weighted);
  const divisor = tf.where(tf.greater(total, 0), total, tf.onesLike(total)); // 0 / 0 would be NaN
  return tf.neg(tf.div(tf.sum(tf.mul(weighted, tf.logSoftmax(logits))), divisor));
}
