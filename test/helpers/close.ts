import { fail } from "node:assert/strict";

/**
 * Fails unless every number is within `tolerance` of the expected one, relative to the largest expected; gives the
 * largest difference, relative too.
 */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  name = "values",
): number {
  if (actual.length !== expected.length) {
    fail(`${name}: ${expected.length} numbers expected, ${actual.length} came`);
  }
  const error = maxDifference(actual, expected);
  const scale = Math.max(largest(expected, (x) => x), 1e-12);
  if (!(error <= tolerance * scale)) {
    fail(`${name}: differs by ${error}, ${error / scale} of the largest; allowed is ${tolerance}`);
  }
  return error / scale;
}

export const maxDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  largest(a, (x, i) => x - b[i]!);

/** Largest absolute value of `of`, NaN if any is; a loop, as a model's embeddings are too many for arguments. */
function largest(values: ArrayLike<number>, of: (x: number, i: number) => number): number {
  let result = 0;
  for (let i = 0; i < values.length; i++) result = Math.max(result, Math.abs(of(values[i]!, i)));
  return result;
}
