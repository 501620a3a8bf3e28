import { setTimeout as pause } from "node:timers/promises";
import * as tf from "@tensorflow/tfjs-core";
import { type Batch, collate, type Examples } from "../batches.ts";
import { createRandom, permutation, type Random } from "../device/random.ts";
import { evaluate } from "../evaluate/evaluate.ts";
import type { TextModel } from "../model/classifier.ts";
import { crossEntropy } from "../model/kernels.ts";
import type { HistoryRecord, TrainerEvent, TrainerListener, TrainResult } from "./events.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { adamW, clipByGlobalNorm, linearSchedule } from "./optimizer.ts";

/** How {@link Trainer} trains; names and defaults are those of Transformers' TrainingArguments. */
export interface TrainerOptions {
  train: Examples;
  evaluation: Examples;
  /** Of the first step; it falls in a line to zero. @default {5e-5} */
  learningRate?: number;
  /** Passes over the rows; may be a fraction. @default {3} */
  numTrainEpochs?: number;
  /** @default {8} */
  perDeviceTrainBatchSize?: number;
  /** @default {8} */
  perDeviceEvalBatchSize?: number;
  /** Steps from one evaluation to the next; the last step evaluates too. @default {500} */
  evalSteps?: number;
  /** Steps from one record of the training loss to the next; the last step records too. @default {evalSteps} */
  loggingSteps?: number;
  /** Largest norm of the gradients of a step. @default {1} */
  maxGradNorm?: number;
  /** In which order rows come. @default {"random"} */
  trainSamplingStrategy?: "random" | "sequential";
  /** Seeds dropout and the order of rows. @default {42} */
  seed?: number;
  /** Hear what happens, in this order. @default {[]} */
  listeners?: TrainerListener[];
}

/**
 * Trains whatever variables of a model are trainable, as Transformers' Trainer does: AdamW, a linear schedule, clipped
 * gradients, padding to the longest row of a batch.
 *
 * Stop (SIGINT) ends training after the step under way; {@link Trainer.resume} goes on from there.
 *
 * @example
 * ```ts ignore
 * const trainer = new Trainer(model, { train, evaluation, learningRate: 2e-5, listeners: [showTraining()] });
 * const { trainLoss } = await trainer.train();
 * ```
 */
export class Trainer {
  readonly history: HistoryRecord[] = [];
  readonly #model: TextModel;
  readonly #options: Required<TrainerOptions>;
  readonly #optimizer = adamW();
  readonly #variables: tf.Variable[];
  readonly #random: Random;
  readonly #stepsPerEpoch: number;
  readonly #totalSteps: number;
  #order: number[] = [];
  #step = 0;
  #lossSum = 0;
  #recorded = { step: 0, lossSum: 0 };
  #tokens = 0;
  #seconds = 0;

  /**
   * @throws {RangeError} When there are no rows, nothing is trainable, or a number is out of its range.
   */
  constructor(model: TextModel, options: TrainerOptions) {
    const evalSteps = options.evalSteps ?? 500;
    this.#model = model;
    this.#options = {
      learningRate: 5e-5,
      numTrainEpochs: 3,
      perDeviceTrainBatchSize: 8,
      perDeviceEvalBatchSize: 8,
      evalSteps,
      loggingSteps: evalSteps,
      maxGradNorm: 1,
      trainSamplingStrategy: "random",
      seed: 42,
      listeners: [],
      ...options,
    };
    const { train, evaluation, numTrainEpochs, perDeviceTrainBatchSize: size } = this.#options;
    for (const key of POSITIVE) mustBePositive(key, this.#options[key]);
    mustBePositive("train rows", train.inputIds.length);
    mustBePositive("evaluation rows", evaluation.inputIds.length);
    this.#variables = [...model.parameters.values()].filter((variable) => variable.trainable);
    mustBePositive("trainable parameters", this.#variables.length);
    this.#stepsPerEpoch = Math.ceil(train.inputIds.length / size);
    this.#totalSteps = Math.ceil(numTrainEpochs * this.#stepsPerEpoch);
    this.#random = createRandom(this.#options.seed);
  }

  /**
   * Trains from the first step to the last, or until Stop.
   *
   * @throws {Error} When it was called before, or when the loss is no longer a number.
   */
  async train(): Promise<TrainResult> {
    if (this.#step) {
      throw new Error(
        `Cannot train from the start as ${this.#step} of ${this.#totalSteps} steps are done: call resume(), ` +
          "or load the model anew and make a new Trainer",
      );
    }
    return await this.resume();
  }

  /** Goes on after Stop, exactly as if it had not been pressed. */
  async resume(): Promise<TrainResult> {
    using interrupt = listenForInterrupt();
    const { numTrainEpochs: epochs, evalSteps, loggingSteps } = this.#options;
    const started = performance.now() - this.#seconds * 1000;
    const elapsed = () => this.#seconds = (performance.now() - started) / 1000;
    await this.#tell({ type: "begin", totalSteps: this.#totalSteps, epochs });
    while (this.#step < this.#totalSteps && !interrupt.requested) {
      const { gradNorm, learningRate } = this.#trainStep(this.#nextBatch());
      const step = ++this.#step;
      const epoch = this.#epoch();
      const seconds = elapsed();
      await this.#tell({ type: "step", step, totalSteps: this.#totalSteps, epoch, seconds });
      const due = (every: number) => step % every === 0 || step === this.#totalSteps;
      if (due(evalSteps) || due(loggingSteps)) {
        const record: HistoryRecord = { step, epoch, learningRate, gradNorm };
        if (due(loggingSteps)) record.loss = this.#lossSinceRecord();
        if (due(evalSteps)) Object.assign(record, await this.#evaluate());
        this.history.push(record);
        await this.#tell({ type: "record", record });
      }
      await pause(); // lets Stop and the display's messages through; setImmediate delays signals by many steps
    }
    elapsed();
    const result = this.#result(this.#step < this.#totalSteps);
    await this.#tell({ type: "end", result });
    if (!result.stopped) this.#optimizer.dispose();
    return result;
  }

  #nextBatch(): Batch {
    const { train, trainSamplingStrategy, perDeviceTrainBatchSize: size, seed } = this.#options;
    const [epoch, position] = [
      Math.floor(this.#step / this.#stepsPerEpoch),
      this.#step % this.#stepsPerEpoch,
    ];
    if (position === 0) {
      const count = train.inputIds.length;
      // Orders count down from draw -1, so they never meet dropout's draws.
      this.#order = trainSamplingStrategy === "random"
        ? permutation(createRandom(seed, -1 - epoch), count)
        : Array.from({ length: count }, (_, row) => row);
    }
    const rows = this.#order.slice(position * size, (position + 1) * size);
    return collate(train, rows, this.#model.config.padTokenId);
  }

  #trainStep(batch: Batch): { gradNorm: number; learningRate: number } {
    const { learningRate: first, maxGradNorm } = this.#options;
    const learningRate = linearSchedule(first, this.#step, this.#totalSteps);
    const [loss, gradNorm] = tf.tidy(() => {
      const { value, grads } = tf.variableGrads(
        () => crossEntropy(this.#model.forward(batch, this.#random), tf.tensor1d(batch.labels)),
        this.#variables,
      );
      const loss = value.dataSync()[0]!;
      const { clipped, norm } = clipByGlobalNorm(grads, maxGradNorm);
      if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
        throw new Error(
          `Cannot go on training as the loss must be a number: at step ${
            this.#step + 1
          } it is ${loss}, the ` +
            `gradients' norm ${norm}, on rows ${batch.rows.join(", ")}. Try a lower learningRate`,
        );
      }
      this.#optimizer.step(this.#variables, clipped, learningRate);
      return [loss, norm];
    });
    this.#lossSum += loss;
    this.#tokens += batch.inputIds.length;
    return { gradNorm, learningRate };
  }

  #lossSinceRecord(): number {
    const { step, lossSum } = this.#recorded;
    this.#recorded = { step: this.#step, lossSum: this.#lossSum };
    return (this.#lossSum - lossSum) / (this.#step - step);
  }

  async #evaluate(): Promise<{ evalLoss: number; accuracy: number }> {
    const { evaluation, perDeviceEvalBatchSize: batchSize } = this.#options;
    const { loss, accuracy } = await evaluate(this.#model, evaluation, {
      batchSize,
      onBatch: async (batch, batches) => {
        await this.#tell({ type: "evaluate", batch, batches });
        await pause();
      },
    });
    return { evalLoss: loss, accuracy };
  }

  #epoch = () => this.#step / this.#stepsPerEpoch;

  #result(stopped: boolean): TrainResult {
    const step = this.#step;
    const rows = this.#options.train.inputIds.length * this.#epoch();
    const counted = [...this.#model.parameters]
      .filter(([name]) => !name.endsWith("_embeddings.weight"))
      .reduce((sum, [, { size }]) => sum + size, 0);
    return {
      trainRuntime: this.#seconds,
      trainSamplesPerSecond: rows / this.#seconds,
      trainStepsPerSecond: step / this.#seconds,
      totalFlos: 6 * this.#tokens * counted,
      trainLoss: this.#lossSum / (step || 1),
      epoch: this.#epoch(),
      step,
      stopped,
    };
  }

  async #tell(event: TrainerEvent) {
    for (const listener of this.#options.listeners) await listener(event);
  }
}

const POSITIVE = [
  "learningRate",
  "numTrainEpochs",
  "perDeviceTrainBatchSize",
  "perDeviceEvalBatchSize",
  "evalSteps",
  "loggingSteps",
  "maxGradNorm",
] as const;

function mustBePositive(name: string, value: number) {
  if (!(value > 0)) {
    throw new RangeError(`Cannot train as '${name}' must be above 0: current value is ${value}`);
  }
}
