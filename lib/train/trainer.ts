import { setTimeout as pause } from "node:timers/promises";
import * as tf from "@tensorflow/tfjs-core";
import { type Batch, batches } from "../batches.ts";
import { createRandom, type Random } from "../device/random.ts";
import { evaluate } from "../evaluate/evaluate.ts";
import { crossEntropy } from "../kernels/loss.ts";
import type { TextModel } from "../model/classifier.ts";
import { accumulateGradients } from "./accumulate.ts";
import { judge } from "./best.ts";
import { clipFactor } from "./clip.ts";
import type { HistoryRecord, TrainerEvent, TrainerRequest, TrainResult } from "./events.ts";
import { listenForInterrupt } from "./interrupt.ts";
import { evaluationMetrics, metricNamed } from "./metrics.ts";
import { adamW, type Optimizer } from "./optimizer.ts";
import { must, type TrainerOptions, trainerOptions } from "./options.ts";
import { createSampler, type Sampler } from "./sampler.ts";
import { schedules, warmupLength } from "./schedule.ts";
import { createSnapshot, type Snapshot } from "./snapshot.ts";
import { newState } from "./state.ts";

/** Where dropout begins among the seed's draws; heads and adapters begin near 0, and orders of rows are below it. */
const DROPOUT_DRAWS = 2 ** 30;

/**
 * Trains whatever variables of a model are trainable, as Transformers' Trainer does: AdamW, a schedule, clipped
 * gradients, padding to the longest row of a batch.
 *
 * Stop (SIGINT) ends training after the step under way; {@link Trainer.resume} goes on from there, and after an error of
 * a listener or of an evaluation too. An error of a step ends the run.
 *
 * @example
 * ```ts ignore
 * const trainer = new Trainer(model, { train, evaluation, learningRate: 2e-5, listeners: [showTraining()] });
 * const { trainLoss } = await trainer.train();
 * ```
 */
export class Trainer {
  readonly #model: TextModel;
  readonly #options: Required<TrainerOptions>;
  readonly #trained: Map<string, tf.Variable>;
  readonly #sampler: Sampler;
  readonly #optimizer: Optimizer;
  readonly #best: Snapshot;
  readonly #random: Random;
  readonly #state = newState();
  #disposed = false;

  /**
   * @throws {RangeError} When there are no rows, nothing is trainable, or an option is out of its range.
   */
  constructor(model: TextModel, options: TrainerOptions) {
    this.#model = model;
    this.#options = trainerOptions(options);
    this.#trained = new Map([...model.parameters].filter(([, variable]) => variable.trainable));
    must(this.#trained.size > 0, "trainable parameters", "above 0", this.#trained.size);
    this.#sampler = createSampler(this.#options);
    this.#optimizer = adamW(this.#trained, { weightDecay: this.#options.weightDecay });
    this.#best = createSnapshot(this.#trained);
    this.#random = createRandom(this.#options.seed, DROPOUT_DRAWS);
  }

  /** What was recorded so far. */
  get history(): HistoryRecord[] {
    return this.#state.history;
  }

  /**
   * Trains from the first step to the last, or until Stop.
   *
   * @throws {Error} When it was called before, or when the loss is no longer a number.
   */
  async train(): Promise<TrainResult> {
    if (this.#state.step) {
      throw new Error(
        `Cannot train from the start as ${this.#progress} are done: call resume(), or load the ` +
          "model anew and make a new Trainer",
      );
    }
    return await this.resume();
  }

  /**
   * Goes on after Stop, exactly as if it had not been pressed.
   *
   * @throws {Error} When a step has failed, or after {@link Trainer.dispose}.
   */
  async resume(): Promise<TrainResult> {
    if (this.#disposed && !this.#isOver) {
      throw new Error(
        `Cannot resume as the optimizer's moments are freed, ${this.#progress} being done: load ` +
          "the model anew and make a new Trainer",
      );
    }
    using interrupt = listenForInterrupt();
    const { totalSteps, epochs } = this.#sampler;
    const started = performance.now() - this.#state.seconds * 1000;
    const elapsed = () => this.#state.seconds = (performance.now() - started) / 1000;
    await this.#tell({ type: "begin", totalSteps, epochs });
    while (!this.#isOver && !interrupt.requested) {
      const used = this.#trainStep();
      const { step } = this.#state;
      const epoch = this.#sampler.epochAfter(step);
      const asked = await this.#tell({ type: "step", step, totalSteps, epoch, seconds: elapsed() });
      await this.#recordWhenDue({ step, epoch, ...used }, asked.includes("evaluate"));
      await pause(); // lets Stop and the display's messages through; setImmediate delays signals by many steps
    }
    elapsed();
    if (this.#isOver) {
      this.#best.restore();
      this.dispose();
    }
    const result = this.#result();
    await this.#tell({ type: "end", result });
    return result;
  }

  /**
   * Frees the optimizer's moments and the best weights. A run that comes to its end does so itself; one that was stopped
   * can no longer be resumed.
   */
  dispose() {
    this.#disposed = true;
    this.#optimizer.dispose();
    this.#best.dispose();
  }

  get #isOver(): boolean {
    return this.#state.ended || this.#state.step >= this.#sampler.totalSteps;
  }

  get #progress(): string {
    return `${this.#state.step} of ${this.#sampler.totalSteps} steps`;
  }

  #trainStep(): { learningRate: number; gradNorm: number } {
    const state = this.#state;
    const learningRate = this.#learningRate();
    try {
      const taken = this.#nextBatches();
      const [loss, gradNorm] = tf.tidy(() => {
        const { loss, gradients } = accumulateGradients(this.#trained, taken, this.#lossOf);
        const limit = this.#options.maxGradNorm || Infinity; // 0 turns clipping off
        const { factor, norm } = clipFactor(gradients, limit);
        mustBeFinite(loss, norm, state.step + 1, taken);
        this.#optimizer.step(gradients, learningRate, factor);
        return [loss, norm];
      });
      state.step++;
      state.lossSum += loss;
      state.tokens += taken.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
      return { learningRate, gradNorm };
    } catch (error) {
      this.dispose(); // the same rows would fail again
      throw error;
    }
  }

  #lossOf = (batch: Batch): tf.Scalar =>
    crossEntropy(this.#model.forward(batch, this.#random), tf.tensor1d(batch.labels));

  #learningRate(): number {
    const { lrSchedulerType, learningRate, warmupSteps } = this.#options;
    const { totalSteps } = this.#sampler;
    const warmup = warmupLength(warmupSteps, totalSteps);
    return schedules[lrSchedulerType](learningRate, this.#state.step, totalSteps, warmup);
  }

  #nextBatches(): Batch[] {
    const { train, perDeviceTrainBatchSize, padToMultipleOf } = this.#options;
    const rows = this.#sampler.rowsAfter(this.#state.step);
    const { padTokenId } = this.#model.config;
    return [...batches(train, rows, perDeviceTrainBatchSize, padTokenId, padToMultipleOf)];
  }

  async #recordWhenDue(begun: HistoryRecord, evaluateNow: boolean) {
    const { evalSteps, loggingSteps } = this.#options;
    const { step } = begun;
    const due = (every: number) => step % every === 0 || step === this.#sampler.totalSteps;
    if (!due(evalSteps) && !due(loggingSteps) && !evaluateNow) return;
    const metrics = due(evalSteps) || evaluateNow ? await this.#evaluate() : {};
    const loss = due(loggingSteps) && { loss: this.#lossSinceRecord() };
    const record: HistoryRecord = { ...begun, ...loss, ...metrics };
    this.history.push(record);
    await this.#tell({ type: "record", record });
  }

  #lossSinceRecord(): number {
    const { step, lossSum, recorded } = this.#state;
    this.#state.recorded = { step, lossSum };
    return (lossSum - recorded.lossSum) / (step - recorded.step);
  }

  async #evaluate(): Promise<Record<string, number>> {
    const { evaluation, computeMetrics, padToMultipleOf } = this.#options;
    const result = await evaluate(this.#model, evaluation, {
      batchSize: this.#options.perDeviceEvalBatchSize,
      padToMultipleOf,
      onBatch: async (batch, batches) => {
        await this.#tell({ type: "evaluate", batch, batches });
        await pause();
      },
    });
    const metrics = evaluationMetrics(result, evaluation.labels, computeMetrics);
    this.#judge(metricNamed(this.#options.metricForBestModel, metrics));
    return metrics;
  }

  #judge(metric: number) {
    const state = this.#state;
    state.best = judge(state.best, metric, state.step, this.#options);
    if (this.#options.loadBestModelAtEnd && state.best.step === state.step) this.#best.take();
    if (state.best.waited >= this.#options.earlyStoppingPatience) state.ended = true;
  }

  #result(): TrainResult {
    const { step, seconds, lossSum, tokens, best } = this.#state;
    const epoch = this.#sampler.epochAfter(step);
    const counted = [...this.#model.parameters]
      .filter(([name]) => !name.endsWith("_embeddings.weight"))
      .reduce((sum, [, { size }]) => sum + size, 0);
    return {
      trainRuntime: seconds,
      trainSamplesPerSecond: this.#options.train.inputIds.length * epoch / seconds,
      trainStepsPerSecond: step / seconds,
      totalFlos: 6 * tokens * counted,
      trainLoss: lossSum / (step || 1),
      epoch,
      step,
      stopped: !this.#isOver,
      ...(best?.step && { bestStep: best.step, bestMetric: best.metric }),
    };
  }

  /** What the listeners ask for in their turn. */
  async #tell(event: TrainerEvent): Promise<(TrainerRequest | void)[]> {
    const asked: (TrainerRequest | void)[] = [];
    for (const listener of this.#options.listeners) asked.push(await listener(event));
    if (asked.includes("stop")) this.#state.ended = true;
    return asked;
  }
}

function mustBeFinite(loss: number, norm: number, step: number, taken: Batch[]) {
  if (Number.isFinite(loss) && Number.isFinite(norm)) return;
  const rows = taken.flatMap(({ rows }) => rows).join(", ");
  throw new Error(
    `Cannot go on training as the loss must be a number: at step ${step} it is ${loss}, the ` +
      `gradients' norm ${norm}, on rows ${rows}. Try a lower learningRate`,
  );
}
