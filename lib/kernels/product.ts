import * as tf from "@tensorflow/tfjs-core";
import { rawOp } from "../device/raw.ts";

/**
 * a · b of matrices, each transposed first where that is said. It is TensorFlow's MatMul, where `tf.matMul` goes the
 * longer way of a batch of one; it has no gradient.
 */
export function product(
  a: tf.Tensor2D,
  b: tf.Tensor2D,
  transposeA = false,
  transposeB = false,
): tf.Tensor2D {
  // oneDNN packs a transposed matrix of long rows so slowly that a transposed copy of it is faster.
  if (transposeB && b.shape[1] > b.shape[0] && b.shape[0] >= 128) {
    return tf.tidy(() => product(a, tf.transpose(b), transposeA));
  }
  const attributes = { T: "TF_FLOAT", transpose_a: transposeA, transpose_b: transposeB } as const;
  return rawOp("MatMul", [a, b], attributes)[0] as tf.Tensor2D;
}
