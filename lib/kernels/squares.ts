import * as tf from "@tensorflow/tfjs-core";
import type { TensorFlowBackend } from "../device/tensorflow.ts";

/** The sum of squares of all numbers, in one pass; it has no gradient. */
export function sumOfSquares(x: tf.Tensor): tf.Scalar {
  const { binding, executeSingleOutput } = tf.backend() as unknown as TensorFlowBackend;
  const type = { name: "T", type: binding.TF_ATTR_TYPE!, value: binding.TF_FLOAT };
  return tf.tidy(() =>
    tf.mul(executeSingleOutput.call(tf.backend(), "L2Loss", [type], [x]), 2) as tf.Scalar
  );
}
