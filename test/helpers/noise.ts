import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "lightweight-finetuning";

/** A tensor of one draw's normal numbers. */
export const normal = <R extends tf.Rank>(random: Random, shape: tf.ShapeMap[R]): tf.Tensor<R> =>
  tf.tensor(random.normal(tf.util.sizeFromShape(shape)), shape);

/** A tensor of one draw's numbers in [0, 1). */
export const uniform = <R extends tf.Rank>(random: Random, shape: tf.ShapeMap[R]): tf.Tensor<R> =>
  tf.tensor(random.uniform(tf.util.sizeFromShape(shape)), shape);
