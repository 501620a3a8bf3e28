import { fail } from "node:assert/strict";

/** Fails unless every number is within `tolerance` of the expected one, relative to the largest expected. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  name = "values",
) {
  if (actual.length !== expected.length) {
    fail(`${name}: ${expected.length} numbers expected, ${actual.length} came`);
  }
  const error = maxDifference(actual, expected);
  const scale = Math.max(...Array.from(expected, Math.abs), 1e-12);
  if (!(error <= tolerance * scale)) {
    fail(`${name}: differs by ${error}, ${error / scale} of the largest; allowed is ${tolerance}`);
  }
}

export const maxDifference = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a, (x, i) => Math.abs(x - b[i]!)).reduce((x, y) => x > y || Number.isNaN(x) ? x : y, 0);
