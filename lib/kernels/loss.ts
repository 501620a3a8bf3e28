import * as tf from "@tensorflow/tfjs-core";

/** Mean cross-entropy of `logits` [B, C] against classes [B], each from 0 to C - 1 (any other counts as a loss of 0). */
export function crossEntropy(logits: tf.Tensor2D, labels: tf.Tensor1D): tf.Scalar {
  const targets = tf.oneHot(labels, logits.shape[1]);
  return tf.neg(tf.mean(tf.sum(tf.mul(targets, tf.logSoftmax(logits)), -1)));
}
