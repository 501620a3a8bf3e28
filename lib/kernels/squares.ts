import * as tf from "@tensorflow/tfjs-core";
import { rawOp } from "../device/raw.ts";

/** The sum of squares of all numbers of some tensors, in one pass over each; it has no gradient. */
export const sumOfSquares = (tensors: tf.Tensor[]): tf.Scalar =>
  tf.tidy(() => {
    const halves = tensors.map((x) => rawOp("L2Loss", [x], { T: "TF_FLOAT" })[0]!);
    return tf.mul(tf.addN(halves), 2);
  });
