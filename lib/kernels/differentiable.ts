import * as tf from "@tensorflow/tfjs-core";

/**
 * An op with its own gradient. Unlike `tf.customGrad` it asks for no gradient where none of the inputs leads to a trained
 * variable, and frees what was saved, and `dy`, as soon as the gradients are there: a step then holds the results of one
 * layer at a time on its way back. (A `dy` that the caller gave `tf.grads` is freed too.)
 *
 * @param forward The output; `save` keeps what `backward` needs.
 * @param backward The gradient of each input, but for those that are not trained.
 */
export function differentiable<Name extends string, Output extends tf.Tensor>(
  inputs: Record<Name, tf.Tensor>,
  forward: (save: (tensors: tf.Tensor[]) => void) => Output,
  backward: (dy: Output, saved: tf.Tensor[]) => Partial<Record<Name, tf.Tensor>>,
): Output {
  // The method that tf.customGrad calls in its turn; only its type is private.
  const engine = tf.engine() as unknown as { runKernelFunc(op: unknown): Output };
  return engine.runKernelFunc({
    inputs,
    forwardFunc: (_backend: unknown, save: (tensors: tf.Tensor[]) => void) => forward(save),
    backwardsFunc(dy: Output, saved: tf.Tensor[]) {
      const gradients = tf.tidy(() => backward(dy, saved) as tf.NamedTensorMap);
      tf.dispose([dy, ...saved]);
      return Object.fromEntries(Object.entries(gradients).map(([name, x]) => [name, () => x]));
    },
  });
}
