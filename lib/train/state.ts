import type { TextModel } from "../model/classifier.ts";
import { numbersOf } from "../model/parameters.ts";
import type { HistoryRecord, TrainResult } from "./events.ts";
import type { Best } from "./metrics.ts";

/** Everything in a run that changes except tensors and dropout's draws; plain values only. */
export interface TrainerState {
  /** Optimizer steps done. */
  step: number;
  /** Sum of the steps' losses. */
  lossSum: number;
  /** `step` and `lossSum` at the last record of the training loss. */
  recorded: { step: number; lossSum: number };
  /** Tokens trained on, padding included. */
  tokens: number;
  /** Seconds trained, evaluations included. */
  seconds: number;
  history: HistoryRecord[];
  /** The last step, until it has been evaluated and recorded. */
  unrecorded?: { learningRate: number; gradNorm: number; evaluate: boolean };
  /** The best evaluation; undefined before the first. */
  best?: Best;
  /** Whether early stopping or a listener ended the run before its last step. */
  ended: boolean;
}

/** The state before the first step. */
export const newState = (): TrainerState => ({
  step: 0,
  lossSum: 0,
  recorded: { step: 0, lossSum: 0 },
  tokens: 0,
  seconds: 0,
  history: [],
  ended: false,
});

/**
 * The result of a run.
 *
 * @param epoch Passes over the rows so far, as a fraction.
 * @param rows How many training rows there are.
 */
export function trainResult(
  { step, seconds, lossSum, tokens, best }: TrainerState,
  { parameters }: TextModel,
  { epoch, rows, stopped }: { epoch: number; rows: number; stopped: boolean },
): TrainResult {
  const counted = [...parameters]
    .filter(([name]) => !name.endsWith("_embeddings.weight"))
    .reduce((sum, entry) => sum + numbersOf(...entry), 0);
  return {
    trainRuntime: seconds,
    trainSamplesPerSecond: rows * epoch / seconds,
    trainStepsPerSecond: step / seconds,
    totalFlos: 6 * tokens * counted,
    trainLoss: lossSum / (step || 1),
    epoch,
    step,
    stopped,
    ...(best?.step && { bestStep: best.step, bestMetric: best.metric }),
  };
}
