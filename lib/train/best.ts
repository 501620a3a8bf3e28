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
export function judge(
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
