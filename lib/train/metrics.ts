import type { Evaluation } from "../evaluate/evaluate.ts";
import type { AverageMetrics } from "../evaluate/metrics.ts";

/** The results of an evaluation, in the rows' own order. */
export interface EvalPrediction {
  /** [N, C], row-major. */
  logits: Float32Array;
  /** Most likely class of each row, [N]. */
  predictions: Int32Array;
  /** True class of each row, [N]. */
  labels: ArrayLike<number>;
}

/** Computes further metrics, by name. */
export type ComputeMetrics = (prediction: EvalPrediction) => Record<string, number>;

/** Names of a history record that are not metrics of an evaluation. */
export const RESERVED: string[] = ["step", "epoch", "loss", "evalLoss", "learningRate", "gradNorm"];

/** Names of the averages over classes that each evaluation has beside the accuracy. */
export const AVERAGES: (keyof AverageMetrics)[] = [
  "macroF1",
  "weightedF1",
  "balancedAccuracy",
  "majorityShare",
];

/**
 * The metrics of an evaluation under the history's names: `evalLoss`, `accuracy`, the averages over classes and those of
 * `computeMetrics`, which may replace all but `evalLoss`.
 *
 * @throws {RangeError} When one of these has a name that the history uses otherwise.
 */
export function evaluationMetrics(
  { loss, accuracy, logits, predictions, ...rest }: Evaluation,
  labels: ArrayLike<number>,
  computeMetrics: ComputeMetrics,
): Record<string, number> {
  const own = computeMetrics({ logits, predictions, labels });
  const wrong = Object.keys(own).find((name) => RESERVED.includes(name));
  if (wrong) {
    throw new RangeError(
      `Cannot record a metric as its name must be none of ${
        RESERVED.join(", ")
      }: current value is ` +
        `${wrong}. Rename it in 'computeMetrics'`,
    );
  }
  const averages = Object.fromEntries(AVERAGES.map((name) => [name, rest[name]]));
  return { evalLoss: loss, accuracy, ...averages, ...own };
}

/**
 * Looks up the metric for the best model; not `majorityShare`, which is of the rows alone. As in Transformers, "loss" is the
 * evaluation's, and a name may begin with "eval_".
 *
 * @throws {RangeError} When there is no such metric.
 */
export function metricNamed(name: string, metrics: Record<string, number>): number {
  const bare = name.replace(/^eval_/, "");
  const { majorityShare: _ofRows, ...choices } = metrics;
  const value = choices[bare === "loss" ? "evalLoss" : bare];
  if (value === undefined) {
    const names = Object.keys(choices).join(", ");
    throw new RangeError(
      `Cannot choose the best model as 'metricForBestModel' must be one of ${names}: current value is ${name}`,
    );
  }
  return value;
}

/** The best evaluation of a run so far. */
export interface Best {
  /** Value of the metric; infinitely bad until an evaluation gives a number. */
  metric: number;
  /** The step that was evaluated; 0 until an evaluation gives a number. */
  step: number;
  /** Consecutive evaluations that did not improve on the best by more than the threshold. */
  waited: number;
}

/**
 * Updates the best evaluation. Of equal ones the first is the best; one that improves on it by no more than the threshold
 * is the new best, but does not count as an improvement for early stopping.
 *
 * @param best The best so far; undefined at the first evaluation.
 * @see EarlyStoppingCallback and Trainer._determine_best_metric of Transformers
 */
export function updateBest(
  best: Best | undefined,
  metric: number,
  step: number,
  { greaterIsBetter, earlyStoppingThreshold }: {
    greaterIsBetter: boolean;
    earlyStoppingThreshold: number;
  },
): Best {
  const last = best ?? { metric: greaterIsBetter ? -Infinity : Infinity, step: 0, waited: 0 };
  const better = greaterIsBetter ? metric > last.metric : metric < last.metric;
  const improved = !best || better && Math.abs(metric - last.metric) > earlyStoppingThreshold;
  return { ...last, ...(better && { metric, step }), waited: improved ? 0 : last.waited + 1 };
}
