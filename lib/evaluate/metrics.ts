/** The results of a model on one class. */
export interface ClassMetrics {
  /** Name of the class. */
  label: string;
  /** Share of the rows predicted as this class that belong to it. */
  precision: number;
  /** Share of the rows of this class that are predicted as it. */
  recall: number;
  /** Harmonic mean of the two. */
  f1: number;
  /** Rows of this class. */
  support: number;
}

/**
 * Counts rows: `matrix[true class][predicted class]`.
 *
 * @throws {RangeError} When a row has no prediction, or a number that is not from 0 to `classes` - 1.
 */
export function confusionMatrix(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classes: number,
): number[][] {
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  Array.from(labels, (label, row) => {
    const predicted = predictions[row]!;
    if (matrix[label]?.[predicted] === undefined) {
      throw new RangeError(
        `Cannot count row ${row} (the first is 0) as its classes must be whole numbers from 0 to ` +
          `${classes - 1}: current value is ${label}, predicted as ${predicted}`,
      );
    }
    matrix[label][predicted]++;
  });
  return matrix;
}

/** Precision, recall and F1 of each class; 0 where a class was never predicted, as in scikit-learn. */
export function classMetrics(matrix: number[][], labels: string[]): ClassMetrics[] {
  const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
  return labels.map((label, i) => {
    const right = matrix[i]![i]!;
    const support = sum(matrix[i]!);
    const predicted = sum(matrix.map((row) => row[i]!));
    return {
      label,
      precision: right / (predicted || 1),
      recall: right / (support || 1),
      f1: 2 * right / (support + predicted || 1),
      support,
    };
  });
}

/**
 * The 95 % interval of a share measured on `count` rows. As in SciPy's `binomtest`, it begins at 0 for a share of 0
 * and ends at 1 for a share of 1, whatever is rounded.
 *
 * @throws {RangeError} When the share is not from 0 to 1, or the count not above 0.
 * @see Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927
 */
export function wilsonInterval(share: number, count: number): [low: number, high: number] {
  if (!(share >= 0 && share <= 1 && count > 0)) {
    throw new RangeError(
      "Cannot give an interval as a share from 0 to 1 and a count above 0 are needed: current " +
        `value is ${share} of ${count}`,
    );
  }
  const z = 1.959964; // the normal distribution's 97.5 % point
  const centre = share + z * z / (2 * count);
  const spread = z * Math.sqrt(share * (1 - share) / count + z * z / (4 * count * count));
  const scale = 1 + z * z / count;
  const [low, high] = [(centre - spread) / scale, (centre + spread) / scale];
  return [share === 0 ? 0 : low, share === 1 ? 1 : high];
}
