import * as tf from "@tensorflow/tfjs-core";
import type { TensorFlowBackend } from "../device/tensorflow.ts";

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
  const backend = tf.backend() as unknown as TensorFlowBackend;
  const { TF_ATTR_TYPE, TF_ATTR_BOOL, TF_FLOAT } = backend.binding;
  return backend.executeSingleOutput("MatMul", [
    { name: "T", type: TF_ATTR_TYPE!, value: TF_FLOAT },
    { name: "transpose_a", type: TF_ATTR_BOOL!, value: transposeA },
    { name: "transpose_b", type: TF_ATTR_BOOL!, value: transposeB },
  ], [a, b]) as tf.Tensor2D;
}
