import { checkDraw, type Key, normalNumbers, uniformNumbers } from "./philox.ts";

/**
 * The one source of randomness: a counter-based generator (Philox; Salmon et al., 2011), the same on every device. The
 * n-th draw depends on the seed and n alone, so `draws` is all the state there is to save.
 */
export interface Random {
  /** The seed of all draws. */
  readonly seed: number;
  /** Draws made so far. */
  draws: number;
  /** Takes the next draw and leaves its numbers to the device. */
  key(): Key;
  /** Takes the next draw: numbers in [0, 1). */
  uniform(count: number): Float32Array;
  /** Takes the next draw: numbers of mean 0 and standard deviation 1. */
  normal(count: number): Float32Array;
}

/**
 * Starts a stream of random numbers.
 *
 * @param seed Any 32-bit integer.
 * @param draws Where in the stream to start. @default {0}
 * @returns The stream; it needs no open device.
 * @throws {RangeError} When the seed is no such integer.
 */
export function createRandom(seed: number, draws = 0): Random {
  checkDraw(0, [seed, draws]);
  const random: Random = {
    seed,
    draws,
    key() {
      checkDraw(0, [seed, random.draws]);
      return [seed, random.draws++];
    },
    uniform: (count) => uniformNumbers(count, random.key()),
    normal: (count) => normalNumbers(count, random.key()),
  };
  return random;
}

/**
 * Shuffles row numbers.
 *
 * @param random Source of one draw.
 * @param count How many rows there are.
 * @returns 0 to count - 1 in random order.
 */
export function permutation(random: Random, count: number): number[] {
  const keys = random.uniform(count);
  return Array.from(keys.keys()).sort((a, b) => keys[a]! - keys[b]! || a - b);
}
