import { wilsonInterval } from "./metrics.ts";

/** Two models' right and wrong predictions on the same rows, and the difference of their accuracies. */
export interface PairedComparison {
  /** Rows that both models classify correctly. */
  bothRight: number;
  /** Rows that only the first model classifies correctly. */
  firstOnly: number;
  /** Rows that only the second model classifies correctly. */
  secondOnly: number;
  /** Rows that neither model classifies correctly. */
  bothWrong: number;
  /** Probability of `firstOnly` and `secondOnly` being at least as unequal, were the models equally good; 0 to 1. */
  pValue: number;
  /** Accuracy of the first model minus that of the second, -1 to 1. */
  difference: number;
  /** Lower end of the difference's 95 % interval. */
  low: number;
  /** Upper end of the difference's 95 % interval. */
  high: number;
}

/**
 * Compares two models on the same rows: McNemar's exact test, two-sided, and the difference of the accuracies with its
 * 95 % interval. The test says 1 where the models are right on the same rows.
 *
 * @param truth True class of each row, [N].
 * @param first The first model's predicted class of each row, [N].
 * @param second The second model's predicted class of each row, [N].
 * @throws {RangeError} When there are no rows, not as many predictions as rows, or a class is not a whole number from 0 on.
 * @see McNemar, Note on the Sampling Error of the Difference Between Correlated Proportions or Percentages, 1947
 * @see Newcombe, Improved Confidence Intervals for the Difference Between Binomial Proportions Based on Paired Data, 1998,
 * method 10
 *
 * @example
 * ```ts
 * import { mcnemar } from "lightweight-finetuning";
 * const { difference, pValue } = mcnemar([0, 1, 1, 0], [0, 1, 1, 1], [0, 1, 0, 1]);
 * console.log(difference, pValue); // 0.25 and 1: one row is too few to tell
 * ```
 */
export function mcnemar(
  truth: ArrayLike<number>,
  first: ArrayLike<number>,
  second: ArrayLike<number>,
): PairedComparison {
  if (!truth.length) {
    throw new RangeError(
      "Cannot compare models as 'truth' must have at least one row: current value is 0",
    );
  }
  for (const [name, classes] of Object.entries({ truth, first, second })) {
    if (classes.length !== truth.length) {
      throw new RangeError(
        `Cannot compare models as '${name}' must have a class for each of the ${truth.length} rows: ` +
          `current value is ${classes.length}`,
      );
    }
    const row = Array.from(classes).findIndex((one) => !(Number.isInteger(one) && one >= 0));
    if (row >= 0) {
      throw new RangeError(
        `Cannot compare models as '${name}' must be whole numbers from 0 on: ` +
          `current value is ${classes[row]} in row ${row} (the first is 0)`,
      );
    }
  }
  let [bothRight, firstOnly, secondOnly, bothWrong] = [0, 0, 0, 0];
  for (let row = 0; row < truth.length; row++) {
    const [a, b] = [first[row] === truth[row], second[row] === truth[row]];
    if (a && b) bothRight++;
    else if (a) firstOnly++;
    else if (b) secondOnly++;
    else bothWrong++;
  }
  const [low, high] = pairedInterval(bothRight, firstOnly, secondOnly, bothWrong);
  return {
    bothRight,
    firstOnly,
    secondOnly,
    bothWrong,
    pValue: binomialTest(firstOnly, secondOnly),
    difference: (firstOnly - secondOnly) / truth.length,
    low,
    high,
  };
}

/** Twice the tail of Binomial(a + b, 1/2) up to the smaller of the two, at most 1. */
function binomialTest(a: number, b: number): number {
  const [count, smaller] = [a + b, Math.min(a, b)];
  // 2^-count underflows from 1075 on.
  let log = -count * Math.LN2;
  for (let k = 1; k <= smaller; k++) log += Math.log((count - k + 1) / k);
  let [sum, term] = [1, 1]; // relative to the largest term of the tail
  for (let k = smaller; k > 0; k--) sum += term *= k / (count - k + 1);
  return Math.min(1, 2 * sum * Math.exp(log));
}

/** Newcombe's method 10: Wilson's intervals of both accuracies, joined by their correlation. */
function pairedInterval(a: number, b: number, c: number, d: number): [low: number, high: number] {
  const count = a + b + c + d;
  const [first, second] = [(a + b) / count, (a + c) / count];
  const [low1, high1] = wilsonInterval(first, count);
  const [low2, high2] = wilsonInterval(second, count);
  const product = a * d - b * c;
  const scale = Math.sqrt((a + b) * (c + d)) * Math.sqrt((a + c) * (b + d));
  const phi = (product > 0 ? Math.max(product - count / 2, 0) : product) / (scale || 1);
  const side = (x: number, y: number) => Math.sqrt(x * x - 2 * phi * x * y + y * y);
  return [
    first - second - side(first - low1, high2 - second),
    first - second + side(high1 - first, second - low2),
  ];
}
