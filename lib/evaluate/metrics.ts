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

/** What an accuracy does not tell where some classes have more rows than others; each from 0 to 1. */
export interface AverageMetrics {
  /** Mean F1 of the classes that a row has or is predicted as. */
  macroF1: number;
  /** Mean F1 of the classes, each weighted by its rows. */
  weightedF1: number;
  /** Mean recall of the classes that have rows. */
  balancedAccuracy: number;
  /** Share of the rows that are of the most frequent class: the accuracy of always guessing it. */
  majorityShare: number;
}

/**
 * Averages the metrics of the classes, as scikit-learn's `f1_score(…, zero_division=0)` and `balanced_accuracy_score` do.
 *
 * @param labels True class of each row, [N].
 * @param predictions Predicted class of each row, [N].
 * @param classes Number of classes.
 * @throws {RangeError} When there are no rows, or as {@link confusionMatrix} does.
 *
 * @example
 * ```ts
 * import { averageMetrics } from "lightweight-finetuning";
 * averageMetrics([0, 0, 0, 1], [0, 0, 0, 0], 2); // balancedAccuracy 0.5, where the accuracy is 0.75
 * ```
 */
export function averageMetrics(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classes: number,
): AverageMetrics {
  if (!labels.length) {
    throw new RangeError(
      "Cannot average metrics as there must be at least one row: current value is 0",
    );
  }
  const matrix = confusionMatrix(labels, predictions, classes);
  const all = classMetrics(matrix, matrix.map((_, i) => String(i)));
  const mean = (numbers: number[]) => numbers.reduce((a, b) => a + b) / numbers.length;
  const having = all.filter(({ support }) => support);
  const present = all.filter(({ support }, i) => support || matrix.some((row) => row[i]));
  return {
    macroF1: mean(present.map(({ f1 }) => f1)),
    weightedF1: all.reduce((sum, { f1, support }) => sum + f1 * support, 0) / labels.length,
    balancedAccuracy: mean(having.map(({ recall }) => recall)),
    majorityShare: Math.max(...all.map(({ support }) => support)) / labels.length,
  };
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
