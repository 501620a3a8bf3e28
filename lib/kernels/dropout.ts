import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "../device/random.ts";
import { differentiable } from "./differentiable.ts";
import { fused, hasFused, nextKey } from "./native.ts";

/** Zeroes each number with probability `rate` and scales up the rest; without `random` it changes nothing. */
export function dropout<T extends tf.Tensor>(x: T, rate: number, random?: Random): T {
  if (!random || rate === 0) return x;
  if (!hasFused()) {
    const kept = tf.cast(tf.greaterEqual(random.uniform(x.shape as [number]), rate), "float32");
    return tf.mul(x, tf.mul(kept, 1 / (1 - rate)));
  }
  const drop = (x: tf.Tensor, key: tf.Tensor) => fused("Dropout", [x, key], 1, { rate })[0] as T;
  return differentiable({ x }, (save) => {
    const key = nextKey(random);
    save([key]);
    return drop(x, key);
  }, (dy, [key]) => ({ x: drop(dy, key!) }));
}
