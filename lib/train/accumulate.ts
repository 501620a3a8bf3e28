import * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../batches.ts";
import { explainOutOfMemory } from "../evaluate/evaluate.ts";

const REMEDY =
  "lower 'perDeviceTrainBatchSize' and raise 'gradientAccumulationSteps' as much, which gives " +
  "the same result";

/**
 * The loss of several batches and its gradients by the parameters' names, as if all rows were one batch: each batch
 * counts by its share of the rows. Holds the intermediate results of one batch at a time. Call it within a tidy.
 *
 * Transformers 5.23 counts batches, not rows. And where a model takes `num_items_in_batch` and ignores it, as BERT's and
 * RoBERTa's classifiers do, it adds up the batches' means: loss and gradients are larger by the number of batches.
 *
 * @param lossOf Mean loss of a batch's rows.
 * @throws {Error} When the device's memory is full.
 */
export function accumulateGradients(
  parameters: Map<string, tf.Variable>,
  batches: Batch[],
  lossOf: (batch: Batch) => tf.Scalar,
): { loss: number; gradients: tf.NamedTensorMap } {
  const rows = batches.reduce((sum, { size }) => sum + size, 0);
  const gradients: tf.NamedTensorMap = {};
  let loss = 0;
  for (const batch of batches) {
    const weighed = () => tf.mul(lossOf(batch), batch.size / rows) as tf.Scalar;
    const { value, grads } = tf.tidy(() =>
      explainOutOfMemory(batch, REMEDY, () => tf.variableGrads(weighed, [...parameters.values()]))
    );
    loss += value.dataSync()[0]!;
    value.dispose();
    for (const [name, variable] of parameters) {
      const [sum, gradient] = [gradients[name], grads[variable.name]];
      if (!gradient) continue;
      gradients[name] = sum ? tf.add(sum, gradient) : gradient;
      if (sum) tf.dispose([sum, gradient]);
    }
  }
  return { loss, gradients };
}
