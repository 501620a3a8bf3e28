import * as tf from "@tensorflow/tfjs-core";
import { type Batch, batches, byLength, checkExamples, type Examples } from "../batches.ts";
import { announceBf16 } from "../device/bf16.ts";
import { port, useBf16 } from "../device/port.ts";
import { stopPoint } from "../interrupt.ts";
import { crossEntropy } from "../kernels/loss.ts";
import type { TextModel } from "../model/classifier.ts";
import { checkOptions } from "../options.ts";
import { type AverageMetrics, averageMetrics } from "./metrics.ts";

/** The results of a model on some rows; arrays are in the rows' own order. */
export interface Evaluation extends AverageMetrics {
  /** Mean cross-entropy over the rows, each weighing the same. */
  loss: number;
  /** Share of rows classified correctly, 0 to 1. */
  accuracy: number;
  /** [N, C], row-major. */
  logits: Float32Array;
  /** Most likely class of each row, [N]. */
  predictions: Int32Array;
  /** Rows per second. */
  samplesPerSecond: number;
}

/** Options of {@link evaluate}. */
export interface EvaluateOptions {
  /** Rows of a batch. @default {32} */
  batchSize?: number;
  /** Compute products in bfloat16 with sums in float32. @default {false} */
  bf16?: boolean;
  /** The padded length of a batch is a multiple of this. @default {1} */
  padToMultipleOf?: number;
  /** Called after each batch. */
  onBatch?: (batch: number, batches: number) => void | Promise<void>;
}

const OPTIONS: Record<keyof EvaluateOptions, true> = {
  batchSize: true,
  bf16: true,
  padToMultipleOf: true,
  onBatch: true,
};

/**
 * Classifies every row without dropout. Rows of similar length share a batch; padding changes no result.
 *
 * @param model A classifier, or an adapter on one.
 * @param examples Token ids and true classes of the rows.
 * @returns Loss, accuracy and the averages over classes, and each row's logits.
 * @throws {TypeError} When an option is unknown.
 * @throws {RangeError} When there are no rows, a label is no class of the model's, or the batch size is not a whole number
 * above 0.
 * @throws {Error} When a logit is not a number or infinite, or the device's memory is full; at Stop (SIGINT).
 */
export async function evaluate(
  model: TextModel,
  examples: Examples,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  checkOptions("evaluate", options, OPTIONS);
  const { batchSize = 32, bf16 = false, padToMultipleOf = 1, onBatch } = options;
  const count = examples.inputIds.length;
  checkExamples("evaluate", "examples", examples, model.labels.length);
  if (!(Number.isInteger(batchSize) && batchSize > 0)) {
    throw new RangeError(
      `Cannot evaluate as 'batchSize' must be a whole number above 0: current value is ${batchSize}`,
    );
  }
  if (bf16) await announceBf16();
  const started = performance.now();
  const total = Math.ceil(count / batchSize);
  const predictions = new Int32Array(count);
  let logits = new Float32Array(0);
  let [lossSum, correct, done] = [0, 0, 0];
  const { padTokenId } = model.config;
  const order = byLength(examples);
  using stop = stopPoint("the evaluation");
  for (const batch of batches(examples, order, batchSize, padTokenId, padToMultipleOf)) {
    const { loss, logits: values } = await evaluateBatch(model, batch, bf16);
    const classes = values.length / batch.size;
    checkFinite(values, batch);
    if (!logits.length) logits = new Float32Array(count * classes);
    lossSum += loss * batch.size;
    batch.rows.forEach((row, i) => {
      const scores = values.subarray(i * classes, (i + 1) * classes);
      logits.set(scores, row * classes);
      predictions[row] = scores.indexOf(Math.max(...scores));
      if (predictions[row] === batch.labels[i]) correct++;
    });
    await onBatch?.(++done, total);
    if (done < total) await stop.pass(`after ${done} of ${total} batches`);
  }
  return {
    loss: lossSum / count,
    accuracy: correct / count,
    ...averageMetrics(examples.labels, predictions, model.labels.length),
    logits,
    predictions,
    samplesPerSecond: count / (performance.now() - started) * 1000,
  };
}

const REMEDY = "lower 'batchSize' (a Trainer's 'perDeviceEvalBatchSize')";

async function evaluateBatch(
  model: TextModel,
  batch: Batch,
  bf16: boolean,
): Promise<{ loss: number; logits: Float32Array }> {
  let numbers: tf.Tensor | undefined;
  try {
    numbers = tf.tidy(() => {
      using _ = bf16 ? useBf16() : undefined;
      const logits = model.forward(batch);
      const loss = crossEntropy(logits, tf.tensor1d(batch.labels));
      return tf.concat([tf.reshape(loss, [1]), tf.reshape(logits, [-1])]); // one read
    });
    const values = await port().read(numbers);
    return { loss: values[0]!, logits: values.subarray(1) };
  } catch (error) {
    throw explainOutOfMemory(error, batch, REMEDY);
  } finally {
    numbers?.dispose();
  }
}

function checkFinite(logits: Float32Array, { rows, size }: Batch) {
  const classes = logits.length / size;
  const broken = rows.filter((_, i) =>
    !logits.subarray(i * classes, (i + 1) * classes).every(Number.isFinite)
  );
  if (!broken.length) return;
  const list = broken.sort((a, b) => a - b).join(", ");
  throw new Error(
    `Cannot evaluate as logits must be finite numbers: those of rows ${list} are not. ` +
      "Does a weight of the model hold NaN or Infinity?",
  );
}

/**
 * Explains an error of computing a batch.
 *
 * @param error What was thrown.
 * @param batch The batch, whose size the explanation gives.
 * @param remedy What to do if the device's memory is full.
 * @returns If the device's memory is full an error that says so, else the error itself.
 */
export function explainOutOfMemory(
  error: unknown,
  { size, length }: Batch,
  remedy: string,
): unknown {
  if (!/\bOOM\b|resource exhausted/i.test(String(error))) return error;
  return new Error(
    `Cannot compute a batch of ${size} rows × ${length} tokens as the device's memory is full: ` +
      `${remedy}, or truncate the texts to fewer tokens`,
    { cause: error },
  );
}
