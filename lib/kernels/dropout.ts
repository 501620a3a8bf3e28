import * as tf from "@tensorflow/tfjs-core";
import { type Dropout, type FusedKernels, port } from "../device/port.ts";
import type { Random } from "../device/random.ts";
import { differentiable } from "./differentiable.ts";

/** Zeroes each number with probability `rate` and scales up the others; without `random` it does nothing. */
export function dropout<T extends tf.Tensor>(x: T, rate: number, random?: Random): T {
  const drawn = drawDropout(rate, random);
  if (!drawn) return x;
  return differentiable({ x }, () => drop(x, drawn), (dy) => ({ x: drop(dy, drawn) }));
}

/**
 * Takes the draw of one application of dropout; none without `random` or at rate 0.
 *
 * @throws {RangeError} When the rate is not at least 0 and below 1.
 */
export function drawDropout(rate: number, random?: Random): Dropout | undefined {
  if (!random || rate === 0) return undefined;
  if (rate > 0 && rate < 1) return { rate, key: random.key() };
  throw new RangeError(
    `Cannot apply dropout as 'rate' must be at least 0 and below 1: current value is ${rate}`,
  );
}

/** Applies dropout that has been drawn, forward or backward; it has no gradient of its own. */
export function drop<T extends tf.Tensor>(x: T, drawn?: Dropout): T {
  const { dropout = plainDropout } = port().kernels;
  return drawn ? dropout(x, drawn) : x;
}

const plainDropout: FusedKernels["dropout"] = (x, { rate, key }) =>
  tf.tidy(() => {
    const kept = tf.cast(tf.greaterEqual(port().uniform(x.shape, key), rate), "float32");
    return tf.mul(x, tf.mul(kept, 1 / (1 - rate)));
  });
