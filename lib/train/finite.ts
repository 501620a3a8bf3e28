import * as tf from "@tensorflow/tfjs-core";
import { port } from "../device/port.ts";

/**
 * Fails where the loss or the norm of the gradients is NaN or infinite.
 *
 * @param step Which one, and on what.
 * @param remedy What to do about it.
 * @throws {Error} In that case; it names the largest gradient.
 */
export async function checkFinite(
  { loss, norm, gradients }: { loss: number; norm: number; gradients: tf.NamedTensorMap },
  step: { step: number; rows: number[] },
  remedy: string,
): Promise<void> {
  if (Number.isFinite(loss) && Number.isFinite(norm)) return;
  const largest = await largestOf(gradients);
  throw new Error(
    `Cannot go on training as the loss must be a number: at step ${step.step} it is ${loss}, the ` +
      `gradients' norm ${norm}, on rows ${step.rows.join(", ")}; the largest gradient is that of ` +
      `'${largest.name}', of norm ${largest.norm}. ${remedy}`,
  );
}

/** The tensor of the largest norm, and that norm; the first whose norm is not a number counts as the largest. */
export async function largestOf(
  tensors: tf.NamedTensorMap,
): Promise<{ name: string; norm: number }> {
  const squares = tf.tidy(() =>
    tf.stack(Object.values(tensors).map((tensor) => port().sumOfSquares([tensor])))
  );
  const norms = await port().read(squares).finally(() => squares.dispose());
  let largest = { name: "", norm: -1 };
  for (const [i, name] of Object.keys(tensors).entries()) {
    const norm = Math.sqrt(norms[i]!);
    if (!(norm <= largest.norm)) largest = { name, norm };
    if (Number.isNaN(norm)) break;
  }
  return largest;
}
