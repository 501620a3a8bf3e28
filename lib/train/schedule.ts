/** Schedules of the learning rate, by Transformers' names. */
export type LrSchedulerType = "linear" | "cosine" | "constant" | "constant_with_warmup";

/** The learning rate after `done` of `total` steps; over the first `warmup` it rises from 0 to `learningRate`. */
export type Schedule = (
  learningRate: number,
  done: number,
  total: number,
  warmup?: number,
) => number;

/** @param share The factor of the rate, by the share of the steps after the warm-up that are left. */
const afterWarmup =
  (share: (left: number) => number): Schedule => (learningRate, done, total, warmup = 0) => {
    const left = Math.max(0, (total - done) / Math.max(1, total - warmup));
    return learningRate * (done < warmup ? done / warmup : share(left));
  };

/**
 * Each schedule by its name. "constant" has no warm-up, as in Transformers.
 *
 * @see get_scheduler in Transformers' optimization.py
 */
export const schedules: Record<LrSchedulerType, Schedule> = {
  linear: afterWarmup((left) => left),
  cosine: afterWarmup((left) => (1 - Math.cos(Math.PI * left)) / 2),
  constant: (learningRate) => learningRate,
  constant_with_warmup: afterWarmup(() => 1),
};

/** Decays linearly to zero, after a warm-up if there is one. */
export const linearSchedule: Schedule = schedules.linear;

/** How many steps the warm-up takes: below 1, `warmupSteps` is their share of all steps. */
export const warmupLength = (warmupSteps: number, totalSteps: number): number =>
  warmupSteps < 1 ? Math.ceil(totalSteps * warmupSteps) : Math.trunc(warmupSteps);
