import type { TrainerOptions } from "./options.ts";
import { epochOrder } from "./order.ts";

/** Which rows each step trains on. */
export interface Sampler {
  readonly totalSteps: number;
  /** Passes over the rows, as Trainer shows them. */
  readonly epochs: number;
  /** Passes over the rows after this many steps, as a fraction. */
  epochAfter(steps: number): number;
  /** Rows of the step that follows this many steps. */
  rowsAfter(steps: number): number[];
}

/** Plans a run as Transformers' Trainer does: an epoch's last step may have fewer batches, its last batch fewer rows. */
export function createSampler(options: Required<TrainerOptions>): Sampler {
  const { perDeviceTrainBatchSize, gradientAccumulationSteps, maxSteps, numTrainEpochs } = options;
  const lengths = options.trainDataset.inputIds.map(({ length }) => length);
  const batches = Math.ceil(lengths.length / perDeviceTrainBatchSize);
  const stepsPerEpoch = Math.ceil(batches / gradientAccumulationSteps);
  const stepSize = perDeviceTrainBatchSize * gradientAccumulationSteps;
  const position = (steps: number) => {
    const step = steps % stepsPerEpoch;
    return { epoch: (steps - step) / stepsPerEpoch, step };
  };
  let order: { epoch: number; rows: number[] } | undefined;
  return {
    totalSteps: maxSteps > 0 ? maxSteps : Math.ceil(numTrainEpochs * stepsPerEpoch),
    epochs: maxSteps > 0 ? Math.ceil(maxSteps / stepsPerEpoch) : numTrainEpochs,
    epochAfter(steps) {
      const { epoch, step } = position(steps);
      return (epoch * batches + step * gradientAccumulationSteps) / batches;
    },
    rowsAfter(steps) {
      const { trainSamplingStrategy, seed } = options;
      const { epoch, step } = position(steps);
      if (order?.epoch !== epoch) {
        order = { epoch, rows: epochOrder(trainSamplingStrategy, lengths, stepSize, seed, epoch) };
      }
      return order.rows.slice(step * stepSize, (step + 1) * stepSize);
    },
  };
}
