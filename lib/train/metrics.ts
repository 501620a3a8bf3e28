import type { Evaluation } from "../evaluate/evaluate.ts";

/** What an evaluation gave, row by row in the rows' own order. */
export interface EvalPrediction {
  /** [N, C], row-major. */
  logits: Float32Array;
  /** Most likely class of each row, [N]. */
  predictions: Int32Array;
  /** True class of each row, [N]. */
  labels: ArrayLike<number>;
}

/** Computes figures of one's own, by name. */
export type ComputeMetrics = (prediction: EvalPrediction) => Record<string, number>;

/** Names of a history record that are no figure of an evaluation. */
const TAKEN = ["step", "epoch", "loss", "evalLoss", "learningRate", "gradNorm"];

/**
 * Figures of an evaluation as the history names them: `evalLoss`, `accuracy` and one's own, which may replace
 * `accuracy`.
 *
 * @throws {RangeError} When one's own has a name that the history uses for something else.
 */
export function evaluationMetrics(
  { loss, accuracy, logits, predictions }: Evaluation,
  labels: ArrayLike<number>,
  computeMetrics: ComputeMetrics,
): Record<string, number> {
  const own = computeMetrics({ logits, predictions, labels });
  const wrong = Object.keys(own).find((name) => TAKEN.includes(name));
  if (wrong) {
    throw new RangeError(
      `Cannot record a metric as its name must be none of ${TAKEN.join(", ")}: current value is ` +
        `${wrong}. Name it otherwise in 'computeMetrics'`,
    );
  }
  return { evalLoss: loss, accuracy, ...own };
}

/**
 * The figure that tells the best model. As in Transformers, "loss" is the evaluation's, and a name may begin with "eval_".
 *
 * @throws {RangeError} When there is none of that name.
 */
export function metricNamed(name: string, metrics: Record<string, number>): number {
  const bare = name.replace(/^eval_/, "");
  const value = metrics[bare === "loss" ? "evalLoss" : bare];
  if (value === undefined) {
    const names = Object.keys(metrics).join(", ");
    throw new RangeError(
      `Cannot tell the best model as 'metricForBestModel' must be one of ${names}: current value is ${name}`,
    );
  }
  return value;
}

/** The best evaluation of a run so far. */
export interface Best {
  /** Value of the metric; infinitely bad while no evaluation gave a number. */
  metric: number;
  /** The step that was evaluated; 0 while no evaluation gave a number. */
  step: number;
  /** Evaluations in a row that did not better the best by more than the threshold. */
  waited: number;
}

/**
 * Takes in an evaluation. Of equal ones the first is the best; one that betters it by no more than the threshold is the
 * new best, and still counts as no improvement to early stopping.
 *
 * @param best Before it; undefined at the first evaluation.
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
