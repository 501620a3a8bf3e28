/** One line of a run's history, written to `history.json`; at most one a step. */
export interface HistoryRecord {
  /** Optimizer steps done: from 1, or 0 for the evaluation before the first. */
  step: number;
  /** Passes over the training rows so far, as a fraction. */
  epoch: number;
  /** Mean training loss, weighted by `classWeights`, over the steps since the last record that has one. */
  loss?: number;
  /** Mean cross-entropy over the evaluation rows, each weighing the same. */
  evalLoss?: number;
  /** Share of the evaluation rows classified correctly, 0 to 1. */
  accuracy?: number;
  /** Mean F1 of the classes, each weighing the same. */
  macroF1?: number;
  /** Mean F1 of the classes, weighted by their rows. */
  weightedF1?: number;
  /** Mean recall of the classes. */
  balancedAccuracy?: number;
  /** Share of the evaluation rows that are of the most frequent class. */
  majorityShare?: number;
  /** The learning rate that this step used; 0 at step 0. */
  learningRate: number;
  /** Norm of all gradients together, before clipping; 0 at step 0. */
  gradNorm: number;
  /** Metrics that `computeMetrics` returned, under its own names. */
  [metric: string]: number | undefined;
}

/** The figures of a finished or stopped run, under the names of Hugging Face's Trainer. */
export interface TrainResult {
  /** Seconds, evaluations included. */
  trainRuntime: number;
  /** Training rows per second, evaluations included in the time. */
  trainSamplesPerSecond: number;
  /** Optimizer steps per second, likewise. */
  trainStepsPerSecond: number;
  /** Floating-point operations by Trainer's estimate: 6 × tokens × parameters outside the embeddings. */
  totalFlos: number;
  /** Mean training loss over all steps. */
  trainLoss: number;
  /** Passes over the training rows, as a fraction. */
  epoch: number;
  /** Optimizer steps done. */
  step: number;
  /** Whether Stop ended the run before its last step, so that it can be resumed. */
  stopped: boolean;
  /** The step whose evaluation was the best; absent if there was none. */
  bestStep?: number;
  /** The metric for the best model at that step. */
  bestMetric?: number;
}

/**
 * An event of a trainer. Times are seconds since the run began; `history` is present if the run resumes, and holds the
 * earlier records; `metricForBestModel` is present unless it is "loss".
 */
export type TrainerEvent =
  | {
    type: "begin";
    totalSteps: number;
    epochs: number;
    history?: HistoryRecord[];
    metricForBestModel?: string;
  }
  | { type: "step"; step: number; totalSteps: number; epoch: number; seconds: number }
  | { type: "evaluate"; batch: number; batches: number }
  | { type: "record"; record: HistoryRecord }
  | { type: "end"; result: TrainResult };

/**
 * A listener's request: "stop" ends the run for good after the current step, as early stopping does; "evaluate", returned
 * for a step, evaluates at that step.
 */
export type TrainerRequest = "stop" | "evaluate";

/**
 * Receives a trainer's events; the trainer waits for it.
 *
 * @example
 * ```ts
 * import type { TrainerListener } from "lightweight-finetuning";
 * const anHour: TrainerListener = (event) => {
 *   if (event.type === "step" && event.seconds > 3600) return "stop";
 * };
 * ```
 */
export type TrainerListener = (
  event: TrainerEvent,
) => void | TrainerRequest | Promise<void | TrainerRequest>;
