import { type Examples, LONGEST } from "../batches.ts";
import { checkOptions, withDefaults } from "../options.ts";
import type { TrainerListener } from "./events.ts";
import { AVERAGES, type ComputeMetrics, metricNamed } from "./metrics.ts";
import { samplingStrategies, type SamplingStrategy } from "./order.ts";
import { type LrSchedulerType, schedules } from "./schedule.ts";

/** Options of {@link Trainer}; names and defaults are those of Transformers' TrainingArguments. */
export interface TrainerOptions {
  /** Rows to train on. */
  trainDataset: Examples;
  /** Rows to evaluate on while training. */
  evalDataset: Examples;
  /** The highest learning rate: at the first step, or after the warm-up. @default {5e-5} */
  learningRate?: number;
  /** How the learning rate changes over the run. @default {"linear"} */
  lrSchedulerType?: LrSchedulerType;
  /** Steps over which the learning rate rises from 0; below 1, their share of all steps. @default {0} */
  warmupSteps?: number;
  /** By which share of the learning rate weights shrink at a step; biases and normalisation do not. @default {0} */
  weightDecay?: number;
  /**
   * How much a row of each class counts in the training loss, as in torch's `CrossEntropyLoss(weight)`; "balanced" lets
   * every class count the same in all, as in scikit-learn: rows / (classes × rows of the class). `evalLoss` is not
   * weighted, so that runs with other weights compare. @default {null, every row counts the same}
   */
  classWeights?: "balanced" | number[] | null;
  /** Largest norm of the gradients of a step; 0 leaves them as they are. @default {1} */
  maxGradNorm?: number;
  /** Passes over the rows; may be a fraction. @default {3} */
  numTrainEpochs?: number;
  /** Steps to train, in place of `numTrainEpochs` unless it is -1. @default {-1} */
  maxSteps?: number;
  /** Rows of a batch in training. @default {8} */
  perDeviceTrainBatchSize?: number;
  /** Batches of a step: the same result as one large batch, in the memory of a small one. @default {1} */
  gradientAccumulationSteps?: number;
  /** Rows of a batch in evaluation. @default {8} */
  perDeviceEvalBatchSize?: number;
  /**
   * Compute products, forward and backward, in bfloat16 with sums in float32, in training and evaluation; all else,
   * weights and optimizer included, stays float32, as under torch's autocast. @default {false}
   */
  bf16?: boolean;
  /** The padded length of a batch is a multiple of this. @default {1} */
  padToMultipleOf?: number;
  /** Order of the rows; "group_by_length" puts rows of similar length together. @default {"random"} */
  trainSamplingStrategy?: SamplingStrategy;
  /** Steps from one evaluation to the next, or a share of all steps; the last step evaluates too. @default {500} */
  evalSteps?: number;
  /** Evaluate before the first step too, as a record of step 0; it is never the best evaluation. @default {false} */
  evalOnStart?: boolean;
  /** Steps from one record of the training loss to the next, likewise; the last step records too. @default {evalSteps} */
  loggingSteps?: number;
  /** Computes further metrics at each evaluation, added to `evalLoss`, `accuracy` and the averages in the history. */
  computeMetrics?: ComputeMetrics;
  /**
   * The metric that decides the best evaluation: "loss", "accuracy", "macroF1", "weightedF1", "balancedAccuracy" or one of
   * `computeMetrics`. @default {"loss"}
   */
  metricForBestModel?: string;
  /** Whether a larger metric is better. @default {true, unless `metricForBestModel` ends in "loss"} */
  greaterIsBetter?: boolean;
  /** End with the weights of the best evaluation, kept in memory until then. @default {false} */
  loadBestModelAtEnd?: boolean;
  /** Consecutive evaluations without improvement that end the run. @default {Infinity} */
  earlyStoppingPatience?: number;
  /** An improvement must be larger than this. @default {0} */
  earlyStoppingThreshold?: number;
  /** Seeds dropout and the order of rows. @default {42} */
  seed?: number;
  /** Folder for checkpoints, `checkpoint-<step>` each; without it there are none. */
  outputDir?: string;
  /** Steps from one checkpoint to the next, likewise; Stop and the last step write one too. @default {evalSteps} */
  saveSteps?: number;
  /** How many of the newest checkpoints are kept; one more while one is written. @default {2} */
  saveTotalLimit?: number;
  /** Let `train()` resume from the newest intact checkpoint in `outputDir`, if any. @default {false} */
  resumeFromCheckpoint?: boolean;
  /** What may differ from the run that wrote the checkpoint, by the names in the error about it. @default {[]} */
  acceptChanges?: string[];
  /** Called with each event, in this order; each may return a request. @default {[]} */
  listeners?: TrainerListener[];
}

/**
 * Fills in the defaults of a {@link Trainer}'s options.
 *
 * @param options Those that are given.
 * @throws {TypeError} When an option is unknown.
 * @throws {RangeError} When a value is out of its range.
 */
export function trainerOptions(options: TrainerOptions): Required<TrainerOptions> {
  const { trainDataset, evalDataset, evalSteps = 500, metricForBestModel = "loss" } = options;
  const defaults: Required<TrainerOptions> = {
    trainDataset,
    evalDataset,
    learningRate: 5e-5,
    lrSchedulerType: "linear",
    warmupSteps: 0,
    weightDecay: 0,
    classWeights: null,
    maxGradNorm: 1,
    numTrainEpochs: 3,
    maxSteps: -1,
    perDeviceTrainBatchSize: 8,
    gradientAccumulationSteps: 1,
    perDeviceEvalBatchSize: 8,
    bf16: false,
    padToMultipleOf: 1,
    trainSamplingStrategy: "random",
    evalSteps,
    evalOnStart: false,
    loggingSteps: evalSteps,
    computeMetrics: () => ({}),
    metricForBestModel,
    greaterIsBetter: !/loss$/i.test(metricForBestModel),
    loadBestModelAtEnd: false,
    earlyStoppingPatience: Infinity,
    earlyStoppingThreshold: 0,
    seed: 42,
    outputDir: "",
    saveSteps: evalSteps,
    saveTotalLimit: 2,
    resumeFromCheckpoint: false,
    acceptChanges: [],
    listeners: [],
  };
  checkOptions("train", options, defaults);
  const complete = withDefaults(defaults, options);
  for (const [range, holds, names] of RANGES) {
    for (const name of names) checkOption(holds(complete[name]), name, range, complete[name]);
  }
  for (const [name, choices] of Object.entries(CHOICES)) {
    const value = complete[name as keyof typeof CHOICES];
    checkOption(choices.includes(value), name, choices.join(", "), value);
  }
  if (!options.computeMetrics) {
    const names = ["evalLoss", "accuracy", ...AVERAGES];
    metricNamed(metricForBestModel, Object.fromEntries(names.map((name) => [name, 0])));
  }
  return complete;
}

const INTERVALS = ["evalSteps", "loggingSteps", "saveSteps"] as const;

/**
 * Turns shares of a run's steps into numbers of steps, rounded up as Transformers' `TrainerState.compute_steps` does.
 *
 * @param options All options.
 * @param totalSteps Steps of the whole run.
 */
export function countIntervals(
  options: Required<TrainerOptions>,
  totalSteps: number,
): Required<TrainerOptions> {
  const counted = INTERVALS.map((name) => {
    const steps = options[name];
    return [name, steps < 1 ? Math.ceil(steps * totalSteps) : steps];
  });
  return { ...options, ...Object.fromEntries(counted) };
}

const RANGES = [
  ["above 0", (value: number) => value > 0, ["learningRate", "numTrainEpochs"]],
  ["at least 0", (value: number) => value >= 0, [
    "warmupSteps",
    "weightDecay",
    "maxGradNorm",
    "earlyStoppingThreshold",
  ]],
  ["at least 1", (value: number) => value >= 1, ["earlyStoppingPatience"]],
  ["a whole number above 0", isCount, [
    "perDeviceTrainBatchSize",
    "gradientAccumulationSteps",
    "perDeviceEvalBatchSize",
    "saveTotalLimit",
  ]],
  [
    "a whole number above 0, or a share below 1",
    (value: number) => isCount(value) || value > 0 && value < 1,
    INTERVALS,
  ],
  [
    `a whole number from 1 to ${LONGEST}`,
    (value: number) => isCount(value) && value <= LONGEST,
    ["padToMultipleOf"],
  ],
  ["-1 or a whole number above 0", (value: number) => value === -1 || isCount(value), ["maxSteps"]],
] as const;

const CHOICES: Record<"lrSchedulerType" | "trainSamplingStrategy", readonly string[]> = {
  lrSchedulerType: Object.keys(schedules),
  trainSamplingStrategy: samplingStrategies,
};

function isCount(value: number): boolean {
  return Number.isInteger(value) && value > 0;
}

/** @throws {RangeError} Unless an option is within its range. */
export function checkOption(holds: boolean, name: string, range: string, value: unknown) {
  if (!holds) {
    throw new RangeError(`Cannot train as '${name}' must be ${range}: current value is ${value}`);
  }
}
