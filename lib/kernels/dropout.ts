import * as tf from "@tensorflow/tfjs-core";
import { type Dropout, type FusedKernels, port } from "../device/port.ts";
import type { Random } from "../device/random.ts";
import { differentiable } from "./differentiable.ts";

/** Zeroes each number with probability `rate` and scales up the rest; without `random` it changes nothing. */
export function dropout<T extends tf.Tensor>(x: T, rate: number, random?: Random): T {
  const drawn = drawDropout(rate, random);
  if (!drawn) return x;
  return differentiable({ x }, () => drop(x, drawn), (dy) => ({ x: drop(dy, drawn) }));
}

/** Takes the draw that decides on a dropout; nothing where none is to be done. */
export const drawDropout = (rate: number, random?: Random): Dropout | undefined =>
  random && rate ? { rate, key: random.key() } : undefined;

/** Does a dropout, forward or backward; it has no gradient of its own. */
export function drop<T extends tf.Tensor>(x: T, drawn?: Dropout): T {
  const { dropout = plainDropout } = port().kernels;
  return drawn ? dropout(x, drawn) : x;
}

const plainDropout: FusedKernels["dropout"] = (x, { rate, key }) =>
  tf.tidy(() => {
    const kept = tf.cast(tf.greaterEqual(port().uniform(x.shape, key), rate), "float32");
    return tf.mul(x, tf.mul(kept, 1 / (1 - rate)));
  });
