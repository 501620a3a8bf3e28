import * as tf from "@tensorflow/tfjs-core";
import { sumOfSquares } from "../kernels/squares.ts";

/**
 * Fails where the numbers of a step are none.
 *
 * @param step Which one, and on what.
 * @param remedy What to do about it.
 */
export function checkFinite(
  { loss, norm, gradients }: { loss: number; norm: number; gradients: tf.NamedTensorMap },
  step: { step: number; rows: number[] },
  remedy: string,
) {
  if (Number.isFinite(loss) && Number.isFinite(norm)) return;
  const largest = largestOf(gradients);
  throw new Error(
    `Cannot go on training as the loss must be a number: at step ${step.step} it is ${loss}, the ` +
      `gradients' norm ${norm}, on rows ${step.rows.join(", ")}; the largest gradient is that of ` +
      `'${largest.name}', of norm ${largest.norm}. ${remedy}`,
  );
}

/** The tensor of the largest norm, and that norm; the first whose norm is not a number counts as the largest. */
export function largestOf(tensors: tf.NamedTensorMap): { name: string; norm: number } {
  let largest = { name: "", norm: -1 };
  for (const [name, tensor] of Object.entries(tensors)) {
    const norm = tf.tidy(() => Math.sqrt(sumOfSquares([tensor]).dataSync()[0]!));
    if (!(norm <= largest.norm)) largest = { name, norm };
    if (Number.isNaN(norm)) break;
  }
  return largest;
}
