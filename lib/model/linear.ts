import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "../device/random.ts";

/** A linear layer, y = x·Wᵀ + b; an adapter wraps it, quantisation replaces it. */
export interface Linear {
  /** [out, in] of W. */
  readonly shape: [output: number, input: number];
  /** [N, in] → [N, out]; `random` is the source of dropout. */
  apply(x: tf.Tensor2D, random?: Random): tf.Tensor2D;
  /** W as it is now, [out, in]; call it within a tidy. */
  weight(): tf.Tensor2D;
}

/** The plain layer of two parameters. */
export function linear(weight: tf.Tensor2D, bias: tf.Tensor1D): Linear {
  return {
    shape: weight.shape,
    apply: (x) => tf.add(tf.matMul(x, weight, false, true), bias),
    weight: () => weight,
  };
}
