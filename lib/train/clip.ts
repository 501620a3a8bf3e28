import * as tf from "@tensorflow/tfjs-core";
import { sumOfSquares } from "../kernels/squares.ts";

/**
 * What gradients must be multiplied by so that the norm of all of them together is at most `maxNorm`.
 *
 * @returns The factor, at most 1, and the norm before.
 * @see torch.nn.utils.clip_grad_norm_, whose 1e-6 this keeps
 */
export function clipFactor(
  gradients: tf.NamedTensorMap,
  maxNorm: number,
): { factor: number; norm: number } {
  const norm = tf.tidy(() => tf.sqrt(sumOfSquares(Object.values(gradients))).dataSync()[0]!);
  return { factor: Math.min(1, maxNorm / (norm + 1e-6)), norm };
}
