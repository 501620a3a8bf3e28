import * as tf from "@tensorflow/tfjs-core";

/**
 * Defines an op with its own gradient. Unlike `tf.customGrad` it computes no gradient if no input depends on a trained
 * variable, and frees `dy` and the saved tensors as soon as the gradients are computed, so that the backward pass holds
 * the results of one layer at a time. (A `dy` that the caller gave `tf.grads` is freed too.)
 *
 * @param forward Computes the output; `save` keeps what `backward` needs.
 * @param backward Computes the gradient of each input; those of inputs that are not trained may be left out.
 */
export function differentiable<Name extends string, Output extends tf.Tensor>(
  inputs: Record<Name, tf.Tensor>,
  forward: (save: (tensors: tf.Tensor[]) => void) => Output,
  backward: (dy: Output, saved: tf.Tensor[]) => Partial<Record<Name, tf.Tensor>>,
): Output {
  // The method that tf.customGrad itself calls; only its type is private.
  const engine = tf.engine() as unknown as { runKernelFunc(op: unknown): Output };
  return engine.runKernelFunc({
    inputs,
    forwardFunc(_backend: unknown, save: (tensors: tf.Tensor[]) => void) {
      let kept: tf.Tensor[] = [];
      const output = forward((tensors) => kept = tensors);
      save(kept); // not before, as nothing would free them if `forward` failed
      return output;
    },
    backwardsFunc(dy: Output, saved: tf.Tensor[]) {
      const gradients = tf.tidy(() => backward(dy, saved) as tf.NamedTensorMap);
      tf.dispose([dy, ...saved]);
      return Object.fromEntries(Object.entries(gradients).map(([name, x]) => [name, () => x]));
    },
  });
}

/** Frees what tfjs keeps for the gradients of a computation that failed; it does so itself where one succeeds. */
export function dropTape() {
  const { state } = tf.engine() as unknown as {
    state: { activeTape: { saved?: tf.Tensor[] }[] | null };
  };
  state.activeTape?.forEach(({ saved }) => saved && tf.dispose(saved));
  state.activeTape = null;
}
