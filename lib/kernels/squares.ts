import * as tf from "@tensorflow/tfjs-core";
import { rawOp } from "../device/raw.ts";

/** The sum of squares of all numbers, in one pass; it has no gradient. */
export function sumOfSquares(x: tf.Tensor): tf.Scalar {
  return tf.tidy(() => tf.mul(rawOp("L2Loss", [x], { T: "TF_FLOAT" })[0]!, 2));
}
