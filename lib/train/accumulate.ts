import * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../batches.ts";
import { port, useBf16 } from "../device/port.ts";
import { dropTape } from "../kernels/differentiable.ts";
import { explainOutOfMemory } from "../evaluate/evaluate.ts";
import { gradientNorm } from "./optimizer.ts";

const REMEDY =
  "lower 'perDeviceTrainBatchSize' and raise 'gradientAccumulationSteps' as much, which gives " +
  "the same result";

/** The loss and gradients of several batches together. */
export interface Accumulated {
  /** Mean loss, as if all rows were one batch. */
  loss: number;
  /** Norm of all gradients together. */
  norm: number;
  /** Gradients by the parameters' names, in bfloat16 where a product in it is; the caller disposes of them. */
  gradients: tf.NamedTensorMap;
}

/**
 * Computes the loss of several batches and its gradients, as if all rows were one batch: each batch is weighted by its
 * share of the rows, or of their weights. Holds the intermediate results of one batch at a time, and reads from the device once.
 *
 * Transformers 5.23 weights batches equally. For models that accept `num_items_in_batch` and ignore it, as BERT's and
 * RoBERTa's classifiers do, it adds the batches' means, so loss and gradients are larger by the number of batches.
 *
 * @param parameters Parameters to compute gradients of, by name.
 * @param batches At least one.
 * @param lossOf Mean loss of a batch's rows.
 * @param weightOf Sum of the weights of a batch's rows. If all are 0, so are loss and gradients. @default {each row weighs 1}
 * @param bf16 Compute products in bfloat16. @default {false}
 * @throws {Error} When the device's memory is full; no tensor is left allocated.
 */
export async function accumulateGradients(
  parameters: Map<string, tf.Variable>,
  batches: Batch[],
  lossOf: (batch: Batch) => tf.Scalar,
  weightOf: (batch: Batch) => number = ({ size }) => size,
  bf16 = false,
): Promise<Accumulated> {
  const { numbers, gradients } = tf.tidy(() => {
    using _ = bf16 ? useBf16() : undefined;
    const { losses, gradients } = computeGradients(parameters, batches, lossOf, weightOf);
    return { numbers: append(losses, gradientNorm(gradients)), gradients };
  });
  try {
    const [...losses] = await port().read(numbers);
    const norm = losses.pop()!;
    return { loss: losses.reduce((sum, loss) => sum + loss, 0), norm, gradients };
  } catch (error) {
    tf.dispose(gradients);
    const bySize = batches.toSorted((a, b) => b.size * b.length - a.size * a.length);
    throw explainOutOfMemory(error, bySize[0]!, REMEDY);
  } finally {
    numbers.dispose();
  }
}

/** Each batch's share of the loss, and the gradients of all. */
function computeGradients(
  parameters: Map<string, tf.Variable>,
  batches: Batch[],
  lossOf: (batch: Batch) => tf.Scalar,
  weightOf: (batch: Batch) => number,
): { losses: tf.Tensor1D; gradients: tf.NamedTensorMap } {
  const total = batches.reduce((sum, batch) => sum + weightOf(batch), 0) || 1;
  const gradients: tf.NamedTensorMap = {};
  let losses = tf.tensor1d([]);
  for (const batch of batches) {
    const weighed = () => tf.mul(lossOf(batch), weightOf(batch) / total) as tf.Scalar;
    const { all, grads } = tf.tidy(() => {
      try {
        const { value, grads } = tf.variableGrads(weighed, [...parameters.values()]);
        return { all: append(losses, value), grads };
      } catch (error) {
        dropTape();
        throw explainOutOfMemory(error, batch, REMEDY);
      }
    });
    losses.dispose();
    losses = all;
    for (const [name, variable] of parameters) {
      const [sum, gradient] = [gradients[name], grads[variable.name]];
      if (!gradient) continue;
      gradients[name] = sum ? addInFloat32(sum, gradient) : gradient;
      if (sum) tf.dispose([sum, gradient]);
    }
  }
  return { losses, gradients };
}

const addInFloat32 = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => {
  const { cast } = port();
  return tf.tidy(() => tf.add(cast(a, "float32"), cast(b, "float32")));
};

const append = (numbers: tf.Tensor1D, number: tf.Scalar): tf.Tensor1D =>
  tf.concat([numbers, tf.reshape(number, [1])]);
