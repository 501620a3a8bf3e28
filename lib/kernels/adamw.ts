import * as tf from "@tensorflow/tfjs-core";
import { type AdamWNumbers, type FusedKernels, port } from "../device/port.ts";

/** The numbers of a step, before the correction for the bias of the moments, which start at zero. */
export interface AdamWStep extends Omit<AdamWNumbers, "rate" | "correction"> {
  /** The learning rate of this step. */
  learningRate: number;
  /** Which step it is, from 1. */
  step: number;
}

/**
 * Updates a weight and its moments by one step of AdamW, in PyTorch's order of operations. All have one shape.
 *
 * @param mean Decayed mean of gradients; `square` is that of squared gradients.
 * @see Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019; torch.optim.AdamW
 */
export function adamWStep(
  weight: tf.Variable,
  mean: tf.Variable,
  square: tf.Variable,
  gradient: tf.Tensor,
  { learningRate, step, ...numbers }: AdamWStep,
): void {
  const { adamW = plainAdamW } = port().kernels;
  const rate = learningRate / (1 - numbers.beta1 ** step);
  const correction = 1 / Math.sqrt(1 - numbers.beta2 ** step);
  adamW(weight, mean, square, gradient, { ...numbers, rate, correction });
}

const plainAdamW: FusedKernels["adamW"] = (
  ...[weight, mean, square, gradient, { factor, decay, rate, correction, beta1, beta2, epsilon }]
) => {
  const g = tf.mul(gradient, factor);
  mean.assign(tf.add(tf.mul(mean, beta1), tf.mul(g, 1 - beta1)));
  square.assign(tf.add(tf.mul(square, beta2), tf.mul(tf.square(g), 1 - beta2)));
  const change = tf.div(mean, tf.add(tf.mul(tf.sqrt(square), correction), epsilon));
  weight.assign(tf.sub(tf.mul(weight, decay), tf.mul(change, rate)));
};
