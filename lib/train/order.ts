import { createRandom, permutation } from "../device/random.ts";

/** Orders of training rows, by Transformers' names. */
export type SamplingStrategy = "random" | "sequential" | "group_by_length";

/** All sampling strategies. */
export const samplingStrategies: SamplingStrategy[] = ["random", "sequential", "group_by_length"];

/**
 * The order of rows in an epoch; it depends only on the seed and the epoch.
 *
 * @param lengths Tokens of each row.
 * @param stepSize Rows of a step, which "group_by_length" makes similar in length.
 * @param epoch From 0.
 */
export function epochOrder(
  strategy: SamplingStrategy,
  lengths: number[],
  stepSize: number,
  seed: number,
  epoch: number,
): number[] {
  if (strategy === "sequential") return [...lengths.keys()];
  // Draws count down from -1, so that they differ from all others.
  const order = permutation(createRandom(seed, -1 - epoch), lengths.length);
  return strategy === "random" ? order : groupByLength(order, lengths, stepSize);
}

/**
 * Sorts an order from long to short within stretches of 50 steps, or of a quarter of the steps if that is less. The
 * longest row of all is swapped with the first, so that a lack of memory shows at once.
 *
 * @see get_length_grouped_indices of Transformers, which gives this order for the same permutation
 */
export function groupByLength(order: number[], lengths: number[], stepSize: number): number[] {
  const steps = Math.min(50, Math.floor(order.length / (4 * stepSize))) || 1;
  const grouped: number[] = [];
  let longest = 0;
  for (let start = 0; start < order.length; start += steps * stepSize) {
    const stretch = order.slice(start, start + steps * stepSize);
    for (const row of stretch.sort((a, b) => lengths[b]! - lengths[a]!)) grouped.push(row);
    if (lengths[grouped[start]!]! > lengths[grouped[longest]!]!) longest = start;
  }
  [grouped[0], grouped[longest]] = [grouped[longest]!, grouped[0]!];
  return grouped;
}
