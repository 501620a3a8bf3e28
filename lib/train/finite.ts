import * as tf from "@tensorflow/tfjs-core";
import { port } from "../device/port.ts";

/**
 * Checks that the loss and the norm of the gradients are finite.
 *
 * @param step The step, and the rows it trained on.
 * @param remedy What to do if they are not.
 * @throws {Error} When one is not; the message names the largest gradient.
 */
export async function checkFinite(
  { loss, norm, gradients }: { loss: number; norm: number; gradients: tf.NamedTensorMap },
  step: { step: number; rows: number[] },
  remedy: string,
): Promise<void> {
  if (Number.isFinite(loss) && Number.isFinite(norm)) return;
  const largest = await largestOf(gradients);
  throw new Error(
    `Cannot continue training as the loss must be finite: at step ${step.step} it is ${loss}, the ` +
      `gradients' norm ${norm}, on rows ${step.rows.join(", ")}; the largest gradient is that of ` +
      `'${largest.name}', of norm ${largest.norm}. ${remedy}`,
  );
}

/** The name and norm of the tensor with the largest norm; the first whose norm is NaN counts as the largest. */
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
