import * as tf from "@tensorflow/tfjs-core";
import { fused, hasFused } from "./native.ts";

/** The numbers of one step of {@link adamWStep}. */
export interface AdamWNumbers {
  /** What gradients are multiplied by, to clip them. */
  factor: number;
  /** What the weight is multiplied by: 1 − learning rate × weight decay. */
  decay: number;
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Which step it is, from 1. */
  step: number;
}

/**
 * A weight after one step of AdamW and its moments, in PyTorch's order of operations; all of one shape.
 *
 * @see Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019; torch.optim.AdamW
 */
export function adamWStep(
  weight: tf.Tensor,
  mean: tf.Tensor,
  square: tf.Tensor,
  gradient: tf.Tensor,
  { factor, decay, learningRate, beta1, beta2, epsilon, step }: AdamWNumbers,
): { weight: tf.Tensor; mean: tf.Tensor; square: tf.Tensor } {
  const rate = learningRate / (1 - beta1 ** step);
  const correction = 1 / Math.sqrt(1 - beta2 ** step);
  if (hasFused()) {
    const betas = [beta1, 1 - beta1, beta2, 1 - beta2];
    const numbers = tf.tensor1d([factor, decay, rate, correction, ...betas, epsilon]);
    const [w, m, v] = fused("AdamW", [weight, mean, square, gradient, numbers], 3);
    return { weight: w!, mean: m!, square: v! };
  }
  const g = tf.mul(gradient, factor);
  const m = tf.add(tf.mul(mean, beta1), tf.mul(g, 1 - beta1));
  const v = tf.add(tf.mul(square, beta2), tf.mul(tf.square(g), 1 - beta2));
  const change = tf.div(m, tf.add(tf.mul(tf.sqrt(v), correction), epsilon));
  return { weight: tf.sub(tf.mul(weight, decay), tf.mul(change, rate)), mean: m, square: v };
}
