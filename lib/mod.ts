/**
 * Lightweight fine-tuning with TensorFlow under Deno. `./display` has more charts, `./hub` more of the
 * Hugging Face Hub.
 *
 * @module
 */

export { removeAdapter } from "./adapter/adapter.ts";
export { loadAdapter, saveAdapter } from "./adapter/file.ts";
export { addIa3, type Ia3Config, type Ia3Layer } from "./adapter/ia3/ia3.ts";
export type { LoraConfig } from "./adapter/lora/config.ts";
export type { LoraLayer } from "./adapter/lora/layer.ts";
export { addLora } from "./adapter/lora/lora.ts";
export { mergeAdapter, unmergeAdapter } from "./adapter/merge.ts";
export type {
  AdaptedLayer,
  Method,
  PeftConfig,
  Reference,
  Rule,
  Target,
} from "./adapter/method.ts";
export { type Adapter, disableAdapter, enableAdapter } from "./adapter/state.ts";
export { type Batch, batches, byLength, collate, type Examples } from "./batches.ts";
export { loadDataset } from "./dataset/dataset.ts";
export type {
  ColumnOptions,
  Dataset,
  DatasetOptions,
  DatasetSource,
  FileSource,
  HubSource,
  PartsSource,
  RowOptions,
} from "./dataset/dataset.ts";
export { openDataset, saveDataset } from "./dataset/files.ts";
export { type Device, type DeviceOptions, openDevice } from "./device/device.ts";
export type { Key } from "./device/philox.ts";
export { createRandom, permutation, type Random } from "./device/random.ts";
export { showChart } from "./display/chart.ts";
export type { Chart } from "./display/figure.ts";
export { showProgress } from "./display/progress.ts";
export { showTable, type TableOptions } from "./display/table.ts";
export { showTraining } from "./display/training.ts";
export {
  type Calibration,
  calibration,
  type CalibrationOptions,
  type ReliabilityBin,
} from "./evaluate/calibration.ts";
export { type Classification, classify, type ClassifyOptions } from "./evaluate/classify.ts";
export { evaluate, type EvaluateOptions, type Evaluation } from "./evaluate/evaluate.ts";
export { mcnemar, type PairedComparison } from "./evaluate/mcnemar.ts";
export {
  averageMetrics,
  classMetrics,
  confusionMatrix,
  wilsonInterval,
} from "./evaluate/metrics.ts";
export type { AverageMetrics, ClassMetrics } from "./evaluate/metrics.ts";
export { loadPipeline, type Pipeline, type PipelineOptions } from "./evaluate/pipeline.ts";
export type { RepositoryOptions } from "./hub/folder.ts";
export { downloadModel, type ModelSource } from "./hub/model.ts";
export type { DownloadProgress, HubOptions } from "./hub/settings.ts";
export { crossEntropy } from "./kernels/loss.ts";
export { loadClassifier, maxTokens } from "./model/classifier.ts";
export type { Classifier, ClassifierOptions, TextModel } from "./model/classifier.ts";
export type { ModelConfig } from "./model/config.ts";
export type { ModelType } from "./model/families/families.ts";
export type { EncoderConfig, LayerNames } from "./model/families/family.ts";
export type { Linear } from "./model/linear.ts";
export { memoryFootprint, type ParameterCount, trainableParameters } from "./model/parameters.ts";
export { saveModel } from "./model/save.ts";
export { structure } from "./model/structure.ts";
export { checkOptions } from "./options.ts";
export { openSafetensors, readSafetensors, writeSafetensors } from "./safetensors/safetensors.ts";
export type {
  Dtype,
  SafetensorsFile,
  StoredTensor,
  TensorToWrite,
} from "./safetensors/safetensors.ts";
export { loadTokenizer, type Tokenizer } from "./tokenizer/tokenizer.ts";
export { examples, tokenize, tokenLoss } from "./tokenizer/tokens.ts";
export type {
  HistoryRecord,
  TrainerEvent,
  TrainerListener,
  TrainerRequest,
  TrainResult,
} from "./train/events.ts";
export { readHistory, writeHistory } from "./train/history.ts";
export type { ComputeMetrics, EvalPrediction } from "./train/metrics.ts";
export { adamW, clipFactor, gradientNorm } from "./train/optimizer.ts";
export type { AdamWOptions, Moments, Optimizer } from "./train/optimizer.ts";
export { type TrainerOptions, trainerOptions } from "./train/options.ts";
export type { SamplingStrategy } from "./train/order.ts";
export { linearSchedule, type LrSchedulerType, type Schedule } from "./train/schedule.ts";
export { Trainer } from "./train/trainer.ts";
