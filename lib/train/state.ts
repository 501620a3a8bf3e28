import type { Best } from "./best.ts";
import type { HistoryRecord } from "./events.ts";

/** All of a run that changes and is no tensor, but for the draws of dropout's {@link Random}; plain values only. */
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
  /** The last step, while its evaluation and its record are still to come. */
  unrecorded?: { learningRate: number; gradNorm: number; evaluate: boolean };
  /** Undefined before the first evaluation. */
  best?: Best;
  /** True when early stopping or a listener ended the run before its last step. */
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
