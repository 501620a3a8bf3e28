import { setTimeout as pause } from "node:timers/promises";
import * as tf from "@tensorflow/tfjs-core";
import { type Adapter, requireState } from "../adapter/state.ts";
import { type Batch, batches, checkExamples, type Examples } from "../batches.ts";
import { announceBf16 } from "../device/bf16.ts";
import { createRandom } from "../device/random.ts";
import { evaluate, type EvaluateOptions } from "../evaluate/evaluate.ts";
import { listenForInterrupt } from "../interrupt.ts";
import { crossEntropy } from "../kernels/loss.ts";
import type { TextModel } from "../model/classifier.ts";
import { accumulateGradients } from "./accumulate.ts";
import { createSnapshot, type Run } from "./checkpoint.ts";
import { type Checkpoints, createCheckpoints } from "./checkpoints.ts";
import { weightsOfClasses } from "./class_weights.ts";
import type { HistoryRecord, TrainerEvent, TrainerRequest, TrainResult } from "./events.ts";
import { changes, type Fingerprint } from "./fingerprint.ts";
import { checkFinite } from "./finite.ts";
import { type EvalPrediction, evaluationMetrics, metricNamed, updateBest } from "./metrics.ts";
import { adamW, clipFactor } from "./optimizer.ts";
import { checkOption, countIntervals, type TrainerOptions, trainerOptions } from "./options.ts";
import { createSampler, type Sampler } from "./sampler.ts";
import { schedules, warmupLength } from "./schedule.ts";
import { newState, type TrainerState, trainResult } from "./state.ts";

/** Where dropout's draws begin; those of heads and adapters begin at 0 and 2^29, those of row orders are negative. */
const DROPOUT_DRAWS = 2 ** 30;

/** The last trainer of each model: two cannot train the same weights. */
const trainers = new WeakMap<TextModel, Trainer>();

/** How many steps each model has been trained for in this process, or by the run that it was loaded from. */
const stepsOf = new WeakMap<TextModel, number>();

/** The last run that each model came to the end of, after how many steps. */
const finished = new WeakMap<
  TextModel,
  { steps: number; run: Fingerprint; state: TrainerState }
>();

/**
 * Trains the trainable variables of a model, as Transformers' Trainer does: AdamW, a schedule, gradient clipping, padding
 * to the longest row of a batch.
 *
 * Stop (SIGINT) and SIGTERM end training after the current step; {@link Trainer.resume} continues from there, and also
 * after an error in a listener, an evaluation or writing. An error in a step ends the run. With `outputDir`, a new
 * trainer with the same options, in any process, resumes from the newest checkpoint and ends with the same bits.
 *
 * @example
 * ```ts ignore
 * import { examples, loadClassifier, openDataset, showTraining, Trainer } from "lightweight-finetuning";
 * const tokens = await openDataset("runs/mine/tokens");
 * const model = await loadClassifier("FacebookAI/roberta-base", { labels: tokens.labels });
 * const trainer = new Trainer(model, {
 *   trainDataset: examples(tokens.train),
 *   evalDataset: examples(tokens.evaluation),
 *   outputDir: "runs/mine/checkpoints",
 *   resumeFromCheckpoint: true, // after Stop or a crash, the same lines resume the run
 *   listeners: [showTraining()],
 * });
 * const { trainLoss } = await trainer.train();
 * ```
 */
export class Trainer {
  readonly #model: TextModel;
  readonly #options: Required<TrainerOptions>;
  readonly #sampler: Sampler;
  readonly #classWeights: number[] | undefined;
  readonly #run: Run;
  readonly #state: TrainerState;
  readonly #checkpoints: Checkpoints;
  #running = false;
  #disposed = false;

  /**
   * Plans a run; nothing is computed yet.
   *
   * @throws {TypeError} When an option is unknown.
   * @throws {RangeError} When there are no rows, a label is no class of the model's, nothing is trainable, or an option
   * is out of range.
   */
  constructor(model: TextModel, options: TrainerOptions) {
    this.#model = model;
    this.#options = trainerOptions(options);
    for (const name of ["trainDataset", "evalDataset"] as const) {
      checkExamples("train", name, this.#options[name], model.labels.length);
    }
    const { classWeights, trainDataset } = this.#options;
    this.#classWeights = weightsOfClasses(classWeights, trainDataset, model.labels);
    const trained = new Map([...model.parameters].filter(([, variable]) => variable.trainable));
    checkOption(trained.size > 0, "trainable parameters", "above 0", trained.size);
    this.#sampler = createSampler(this.#options);
    this.#options = countIntervals(this.#options, this.#sampler.totalSteps);
    this.#state = newState();
    this.#run = {
      state: this.#state,
      random: createRandom(this.#options.seed, DROPOUT_DRAWS),
      trained,
      optimizer: adamW(trained, { weightDecay: this.#options.weightDecay }),
      best: createSnapshot(trained),
    };
    this.#checkpoints = createCheckpoints(model, this.#options, this.#run);
    trainers.get(model)?.dispose();
    trainers.set(model, this);
  }

  /** Folder for checkpoints. If one cannot be written, set another folder and call {@link Trainer.resume}. */
  get outputDir(): string {
    return this.#checkpoints.outputDir;
  }

  set outputDir(folder: string) {
    this.#checkpoints.outputDir = folder;
  }

  /** The records so far. */
  get history(): HistoryRecord[] {
    return this.#state.history;
  }

  /**
   * Trains to the last step, or until Stop: from the first step or, with `resumeFromCheckpoint`, from the newest intact
   * checkpoint if there is one. Where the model is at the end of the same run already, that run's result is told again.
   *
   * @throws {Error} When steps are done already; when it is to resume, there is no checkpoint, and an earlier trainer has
   * trained the model; when the adapter is merged or disabled; when the loss is not finite; when the checkpoints in
   * `outputDir` are all damaged, are of another run, or would be overwritten.
   */
  async train(): Promise<TrainResult> {
    if (this.#state.step) {
      throw new Error(
        `Cannot train from the start as ${this.#progress} are done. Call resume(), or load the ` +
          "model again and create a new Trainer",
      );
    }
    return await this.#trainAlone(async () => {
      if (!this.#options.resumeFromCheckpoint || await this.#checkpoints.load()) return;
      const steps = stepsOf.get(this.#model);
      if (!steps || await this.#isFinished(steps)) return;
      throw new Error(
        `Cannot train from the start as this model has been trained already, for ${steps} steps: its ` +
          "weights are no longer those that it was loaded with. Load the model again (loadClassifier, then " +
          "its adapter) to start afresh, or leave out 'resumeFromCheckpoint' to train these weights further",
      );
    });
  }

  /**
   * Continues after Stop, with exactly the result of an uninterrupted run. A new trainer resumes from the newest intact
   * checkpoint in `outputDir`.
   *
   * @throws {Error} When a step has failed, or after {@link Trainer.dispose}; when there is no checkpoint to resume from.
   */
  async resume(): Promise<TrainResult> {
    if (this.#disposed && !this.#isOver) {
      throw new Error(
        `Cannot resume as the optimizer's moments have been freed, after ${this.#progress}. Load ` +
          "the model again and create a new Trainer",
      );
    }
    return await this.#trainAlone(async () => {
      if (!this.#state.step && !await this.#checkpoints.load()) {
        throw new Error(
          "Cannot resume as 'outputDir' must hold a checkpoint if no step is done yet: current " +
            `value is '${this.outputDir}'. Call train() to start`,
        );
      }
    });
  }

  /**
   * Evaluates the model as it is; nothing is added to the history.
   *
   * @param dataset Rows to evaluate on. @default {evalDataset}
   * @returns `evalLoss`, `accuracy`, the averages over classes and the metrics of `computeMetrics`.
   * @throws {RangeError} When there are no rows, or a label is no class of the model's.
   *
   * @example
   * ```ts ignore
   * import { type Examples, type TextModel, Trainer } from "lightweight-finetuning";
   * async function measure(model: TextModel, trainDataset: Examples, evalDataset: Examples) {
   *   const trainer = new Trainer(model, { trainDataset, evalDataset });
   *   return await trainer.evaluate(); // { evalLoss: 1.39, accuracy: 0.25, macroF1: 0.1, … }
   * }
   * ```
   */
  async evaluate(dataset: Examples = this.#options.evalDataset): Promise<Record<string, number>> {
    return (await this.#measure(dataset)).metrics;
  }

  /**
   * Predicts the classes of rows, and evaluates the predictions.
   *
   * @returns Logits, predictions and labels by row, and `metrics`: `testLoss` and those of {@link Trainer.evaluate}.
   * @throws {RangeError} When there are no rows, or a label is no class of the model's.
   *
   * @example
   * ```ts ignore
   * import type { Examples, Trainer } from "lightweight-finetuning";
   * async function test(trainer: Trainer, rows: Examples) {
   *   const { predictions, metrics } = await trainer.predict(rows);
   *   console.log(predictions[0], metrics.accuracy);
   * }
   * ```
   */
  async predict(
    dataset: Examples,
  ): Promise<EvalPrediction & { metrics: Record<string, number> }> {
    const { logits, predictions, metrics } = await this.#measure(dataset);
    const { evalLoss: testLoss = NaN, ...own } = metrics;
    return { logits, predictions, labels: dataset.labels, metrics: { testLoss, ...own } };
  }

  /**
   * Frees the optimizer's moments and the best weights. So do the end of a run and a new trainer for the same model; a
   * stopped run can then be resumed only from a checkpoint.
   */
  dispose() {
    this.#disposed = true;
    this.#run.optimizer.dispose();
    this.#run.best.dispose();
  }

  get #isOver(): boolean {
    const { step, ended, unrecorded } = this.#state;
    return !unrecorded && (ended || step >= this.#sampler.totalSteps);
  }

  get #progress(): string {
    return `${this.#state.step} of ${this.#sampler.totalSteps} steps`;
  }

  /** Trains while no other call, and no other process with the same `outputDir`, may. */
  async #trainAlone(load: () => Promise<void>): Promise<TrainResult> {
    if (this.#running) {
      throw new Error(
        "Cannot train as this trainer is training already: await the earlier call of train() or resume()",
      );
    }
    if ("layers" in this.#model) requireState(this.#model as Adapter, "train", "enabled");
    this.#running = true;
    using interrupt = listenForInterrupt(); // at SIGTERM the process ends when the lock has been released
    try {
      if (this.#options.bf16) await announceBf16();
      await load();
      return await this.#trainSteps(interrupt.signal);
    } finally {
      this.#running = false;
      this.#checkpoints.release();
    }
  }

  /** Takes over the state of an earlier trainer's run, if it was the same and the model is where it ended. */
  async #isFinished(steps: number): Promise<boolean> {
    const earlier = finished.get(this.#model);
    if (earlier?.steps !== steps) return false;
    const run = await this.#checkpoints.fingerprint();
    if (changes(earlier.run, run, this.#options.acceptChanges).length > 0) return false;
    Object.assign(this.#state, structuredClone(earlier.state));
    this.dispose();
    return true;
  }

  async #trainSteps(signal: AbortSignal): Promise<TrainResult> {
    const { totalSteps, epochs } = this.#sampler;
    const state = this.#state;
    const steps = Math.max(state.step, stepsOf.get(this.#model) ?? 0);
    if (steps > 0) stepsOf.set(this.#model, steps);
    const started = performance.now() - state.seconds * 1000;
    const elapsed = () => state.seconds = (performance.now() - started) / 1000;
    if (!this.#disposed) await this.#checkpoints.prepare();
    const before = state.history.length && { history: state.history };
    const { metricForBestModel } = this.#options;
    const deciding = metricForBestModel !== "loss" && { metricForBestModel };
    await this.#tell({ type: "begin", totalSteps, epochs, ...before, ...deciding });
    if (this.#options.evalOnStart && !state.step && !before) await this.#recordStart(signal);
    while (!this.#isOver && !signal.aborted) {
      if (this.#disposed) {
        throw new Error(
          `Cannot continue training as the trainer was disposed of after ${this.#progress}: make no ` +
            "other Trainer for a model in training",
        );
      }
      await this.#checkpoints.saveWhenDue();
      if (!state.unrecorded) await this.#trainStep(elapsed);
      await this.#recordWhenDue(signal);
      elapsed();
      await pause(); // for signals and the display's messages; setImmediate delays signals by many steps
    }
    if (!this.#disposed) await this.#checkpoints.save();
    if (this.#isOver) {
      this.#run.best.restore();
      this.dispose();
      if (this.#options.resumeFromCheckpoint) {
        const [steps, run] = [stepsOf.get(this.#model)!, await this.#checkpoints.fingerprint()];
        finished.set(this.#model, { steps, run, state });
      }
    }
    const result = this.#result();
    await this.#tell({ type: "end", result });
    return result;
  }

  async #trainStep(elapsed: () => number) {
    const { totalSteps } = this.#sampler;
    const unrecorded = { ...await this.#changeWeights(), evaluate: false };
    stepsOf.set(this.#model, (stepsOf.get(this.#model) ?? 0) + 1);
    const { step } = Object.assign(this.#state, { unrecorded });
    const epoch = this.#sampler.epochAfter(step);
    const asked = await this.#tell({ type: "step", step, totalSteps, epoch, seconds: elapsed() });
    unrecorded.evaluate = asked.includes("evaluate");
  }

  async #changeWeights(): Promise<{ learningRate: number; gradNorm: number }> {
    const { state, trained, optimizer } = this.#run;
    const learningRate = this.#learningRate();
    try {
      const taken = this.#nextBatches();
      const { loss, norm, gradients } = await accumulateGradients(
        trained,
        taken,
        this.#lossOf,
        this.#weightOf,
        this.#options.bf16,
      );
      try {
        const rows = taken.flatMap(({ rows }) => rows);
        const { remedy } = this.#checkpoints;
        await checkFinite({ loss, norm, gradients }, { step: state.step + 1, rows }, remedy);
        const limit = this.#options.maxGradNorm || Infinity; // 0 turns clipping off
        optimizer.step(gradients, learningRate, clipFactor(norm, limit));
      } finally {
        tf.dispose(gradients);
      }
      state.step++;
      state.lossSum += loss;
      state.tokens += taken.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
      return { learningRate, gradNorm: norm };
    } catch (error) {
      this.dispose(); // the same rows would fail again
      throw error;
    }
  }

  #lossOf = (batch: Batch): tf.Scalar =>
    crossEntropy(
      this.#model.forward(batch, this.#run.random),
      tf.tensor1d(batch.labels),
      this.#classWeights && tf.tensor1d(this.#classWeights),
    );

  #weightOf = ({ labels, size }: Batch): number =>
    this.#classWeights ? labels.reduce((sum, label) => sum + this.#classWeights![label]!, 0) : size;

  #learningRate(): number {
    const { lrSchedulerType, learningRate, warmupSteps } = this.#options;
    const { totalSteps } = this.#sampler;
    const warmup = warmupLength(warmupSteps, totalSteps);
    return schedules[lrSchedulerType](learningRate, this.#state.step, totalSteps, warmup);
  }

  #nextBatches(): Batch[] {
    const { trainDataset, perDeviceTrainBatchSize, padToMultipleOf } = this.#options;
    const rows = this.#sampler.rowsAfter(this.#state.step);
    const { padTokenId } = this.#model.config;
    return [...batches(trainDataset, rows, perDeviceTrainBatchSize, padTokenId, padToMultipleOf)];
  }

  async #recordWhenDue(stop: AbortSignal) {
    const { evalSteps, loggingSteps } = this.#options;
    const { step, unrecorded } = this.#state;
    const { learningRate, gradNorm, evaluate } = unrecorded!;
    const due = (every: number) => step % every === 0 || step === this.#sampler.totalSteps;
    const metrics = due(evalSteps) || evaluate ? await this.#evaluate(stop) : {};
    if (!metrics) return; // stopped: resuming evaluates again, with the same result
    delete this.#state.unrecorded;
    const loss = due(loggingSteps) && { loss: this.#lossSinceRecord() };
    if (!loss && !Object.keys(metrics).length) return;
    const epoch = this.#sampler.epochAfter(step);
    await this.#record({ step, epoch, learningRate, gradNorm, ...loss, ...metrics });
  }

  /** As Transformers does with `eval_on_start`, without counting it for the best model or early stopping. */
  async #recordStart(stop: AbortSignal) {
    const metrics = await this.#measureUntil(stop);
    if (metrics) {
      await this.#record({ step: 0, epoch: 0, learningRate: 0, gradNorm: 0, ...metrics });
    }
  }

  async #record(record: HistoryRecord) {
    this.history.push(record);
    await this.#tell({ type: "record", record });
  }

  #lossSinceRecord(): number {
    const { step, lossSum, recorded } = this.#state;
    this.#state.recorded = { step, lossSum };
    return (lossSum - recorded.lossSum) / (step - recorded.step);
  }

  async #evaluate(stop: AbortSignal): Promise<Record<string, number> | undefined> {
    const metrics = await this.#measureUntil(stop);
    if (metrics) this.#updateBest(metricNamed(this.#options.metricForBestModel, metrics));
    return metrics;
  }

  /** The metrics of the evaluation rows; undefined if it was stopped. */
  async #measureUntil(stop: AbortSignal): Promise<Record<string, number> | undefined> {
    const measured = await this.#measure(this.#options.evalDataset, async (batch, batches) => {
      await this.#tell({ type: "evaluate", batch, batches });
      await pause();
      stop.throwIfAborted();
    }).catch((error) => {
      if (error !== stop.reason) throw error;
    });
    return measured?.metrics;
  }

  async #measure(dataset: Examples, onBatch?: EvaluateOptions["onBatch"]) {
    const { perDeviceEvalBatchSize: batchSize, bf16, padToMultipleOf, computeMetrics } =
      this.#options;
    const options = { batchSize, bf16, padToMultipleOf, ...onBatch && { onBatch } };
    const result = await evaluate(this.#model, dataset, options);
    return { ...result, metrics: evaluationMetrics(result, dataset.labels, computeMetrics) };
  }

  #updateBest(metric: number) {
    const state = this.#state;
    state.best = updateBest(state.best, metric, state.step, this.#options);
    if (this.#options.loadBestModelAtEnd && state.best.step === state.step) this.#run.best.take();
    if (state.best.waited >= this.#options.earlyStoppingPatience) state.ended = true;
  }

  #result(): TrainResult {
    const epoch = this.#sampler.epochAfter(this.#state.step);
    const rows = this.#options.trainDataset.inputIds.length;
    return trainResult(this.#state, this.#model, { epoch, rows, stopped: !this.#isOver });
  }

  /** Calls the listeners in order; returns their requests. */
  async #tell(event: TrainerEvent): Promise<(TrainerRequest | void)[]> {
    const asked: (TrainerRequest | void)[] = [];
    for (const listener of this.#options.listeners) asked.push(await listener(event));
    if (asked.includes("stop")) this.#state.ended = true;
    return asked;
  }
}
