import type { TextModel } from "../model/classifier.ts";
import { numbersOf } from "../model/parameters.ts";
import type { TrainResult } from "./events.ts";
import type { TrainerState } from "./state.ts";

/**
 * The figures of a run.
 *
 * @param epoch Passes over the rows so far, as a fraction.
 * @param rows How many there are.
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
