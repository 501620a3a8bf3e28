import * as tf from "@tensorflow/tfjs-core";
import { rawOp } from "./raw.ts";

/**
 * The one source of randomness: TensorFlow's counter-based generator (Philox; Salmon et al., 2011). The n-th draw
 * depends on the seed and n alone, so `draws` is all the state there is to save.
 */
export interface Random {
  readonly seed: number;
  /** Draws made so far. */
  draws: number;
  /** Numbers in [0, 1). */
  uniform<R extends tf.Rank>(shape: tf.ShapeMap[R]): tf.Tensor<R>;
  /** Numbers of mean 0 and standard deviation 1. */
  normal<R extends tf.Rank>(shape: tf.ShapeMap[R]): tf.Tensor<R>;
}

/**
 * Starts a stream of random numbers; needs an open device.
 *
 * @param seed Any integer of 32 bits.
 * @param draws Where in the stream to start. @default {0}
 */
export function createRandom(seed: number, draws = 0): Random {
  const random: Random = {
    seed,
    draws,
    uniform: (shape) => draw("StatelessRandomUniform", shape),
    normal: (shape) => draw("StatelessRandomNormal", shape),
  };
  function draw<R extends tf.Rank>(op: string, shape: tf.ShapeMap[R]): tf.Tensor<R> {
    const key = [seed, random.draws++];
    const types = { dtype: "TF_FLOAT", T: "TF_INT32", Tseed: "TF_INT32" } as const;
    return tf.tidy(() => {
      const inputs = [tf.tensor1d(shape, "int32"), tf.tensor1d(key, "int32")];
      return rawOp(op, inputs, types)[0] as tf.Tensor<R>;
    });
  }
  return random;
}

/** Row numbers 0 to count - 1 in random order. */
export function permutation(random: Random, count: number): number[] {
  const keys = tf.tidy(() => random.uniform<tf.Rank.R1>([count]).dataSync());
  return Array.from(keys.keys()).sort((a, b) => keys[a]! - keys[b]! || a - b);
}
