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
 * A weight after one step of AdamW, in PyTorch's order of operations; the moments change in place. All are of one shape.
 *
 * @param mean Of gradients, a buffer that no clone shares; as `square`, that of squared gradients.
 * @see Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019; torch.optim.AdamW
 */
export function adamWStep(
  weight: tf.Tensor,
  mean: tf.Variable,
  square: tf.Variable,
  gradient: tf.Tensor,
  { factor, decay, learningRate, beta1, beta2, epsilon, step }: AdamWNumbers,
): tf.Tensor {
  const rate = learningRate / (1 - beta1 ** step);
  const correction = 1 / Math.sqrt(1 - beta2 ** step);
  if (hasFused()) {
    const betas = [beta1, 1 - beta1, beta2, 1 - beta2];
    const numbers = tf.tensor1d([factor, decay, rate, correction, ...betas, epsilon]);
    return fused("AdamW", [weight, mean, square, gradient, numbers], 1)[0]!;
  }
  const g = tf.mul(gradient, factor);
  mean.assign(tf.add(tf.mul(mean, beta1), tf.mul(g, 1 - beta1)));
  square.assign(tf.add(tf.mul(square, beta2), tf.mul(tf.square(g), 1 - beta2)));
  const change = tf.div(mean, tf.add(tf.mul(tf.sqrt(square), correction), epsilon));
  return tf.sub(tf.mul(weight, decay), tf.mul(change, rate));
}
