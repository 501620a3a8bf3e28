import { checkOptions } from "../options.ts";

/** Rows of similar confidence. */
export interface ReliabilityBin {
  /** Lower end of the bin; the confidences in it are above this. */
  low: number;
  /** Upper end of the bin; the confidences in it are at most this. */
  high: number;
  /** Rows in the bin, at least 1. */
  count: number;
  /** Mean confidence of the rows, 0 to 1. */
  confidence: number;
  /** Share of the rows classified correctly, 0 to 1. */
  accuracy: number;
}

/** How far a model's confidence is from its accuracy. */
export interface Calibration {
  /** The bins that have rows, by rising confidence. */
  bins: ReliabilityBin[];
  /** Expected calibration error: mean distance of confidence and accuracy, each bin weighted by its rows; 0 to 1. */
  ece: number;
}

/** Options of {@link calibration}. */
export interface CalibrationOptions {
  /** Number of bins of equal width from 0 to 1. @default {15} */
  bins?: number;
}

/**
 * Compares a model's confidence, the probability (softmax) of the class that it predicts, with its accuracy.
 *
 * @param logits Of each row and class, [N, C], row-major: `logits` of an {@link Evaluation}. The logarithms of
 * probabilities are logits too.
 * @param truth True class of each row, [N].
 * @throws {TypeError} When an option is unknown.
 * @throws {RangeError} When there are no rows, not as many logits for each, a class is none of theirs, or `bins` is not a
 * whole number above 0.
 * @see Guo et al., On Calibration of Modern Neural Networks, 2017
 *
 * @example
 * ```ts
 * import { calibration } from "lightweight-finetuning";
 * const { ece } = calibration([2, 0, 0, 3], [0, 0], { bins: 10 }); // the second row is wrong
 * console.log(ece);
 * ```
 */
export function calibration(
  logits: ArrayLike<number>,
  truth: ArrayLike<number>,
  options: CalibrationOptions = {},
): Calibration {
  checkOptions("calibrate", options, { bins: true });
  const { bins: count = 15 } = options;
  if (!(Number.isInteger(count) && count > 0)) {
    throw new RangeError(
      `Cannot calibrate as 'bins' must be a whole number above 0: current value is ${count}`,
    );
  }
  const classes = logits.length / truth.length;
  if (!(Number.isInteger(classes) && classes > 0)) {
    throw new RangeError(
      `Cannot calibrate as 'logits' must have as many numbers for each of the ${truth.length} rows: ` +
        `current value is ${logits.length} numbers`,
    );
  }
  const sums = Array.from({ length: count }, () => ({ count: 0, confidence: 0, right: 0 }));
  for (let row = 0; row < truth.length; row++) {
    const scores = Array.from({ length: classes }, (_, i) => logits[row * classes + i]!);
    const label = truth[row]!;
    if (!(label in scores)) {
      throw new RangeError(
        `Cannot calibrate as 'truth' must be whole numbers from 0 to ${classes - 1}: ` +
          `current value is ${label} in row ${row} (the first is 0)`,
      );
    }
    const largest = Math.max(...scores);
    const confidence = 1 / scores.reduce((sum, score) => sum + Math.exp(score - largest), 0);
    if (!(confidence > 0)) {
      throw new RangeError(
        `Cannot calibrate as 'logits' must be numbers: current value is ${scores} in row ${row} ` +
          "(the first is 0)",
      );
    }
    const bin = sums[Math.ceil(confidence * count) - 1]!;
    bin.count++;
    bin.confidence += confidence;
    if (scores.indexOf(largest) === label) bin.right++;
  }
  const bins = sums.map((bin, i) => ({
    low: i / count,
    high: (i + 1) / count,
    count: bin.count,
    confidence: bin.confidence / bin.count,
    accuracy: bin.right / bin.count,
  })).filter((bin) => bin.count);
  const distance = (bin: ReliabilityBin) => bin.count * Math.abs(bin.confidence - bin.accuracy);
  return { bins, ece: bins.reduce((sum, bin) => sum + distance(bin), 0) / truth.length };
}
