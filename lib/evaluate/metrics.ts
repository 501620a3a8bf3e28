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

/** Counts rows: `matrix[true class][predicted class]`. */
export function confusionMatrix(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classes: number,
): number[][] {
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  Array.from(labels, (label, i) => matrix[label]![predictions[i]!]!++);
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
 * The 95 % interval of a share measured on `count` rows.
 *
 * @see Wilson, Probable Inference, the Law of Succession, and Statistical Inference, 1927
 */
export function wilsonInterval(share: number, count: number): [low: number, high: number] {
  const z = 1.959964; // the normal distribution's 97.5 % point
  const centre = share + z * z / (2 * count);
  const spread = z * Math.sqrt(share * (1 - share) / count + z * z / (4 * count * count));
  const scale = 1 + z * z / count;
  return [(centre - spread) / scale, (centre + spread) / scale];
}
