/**
 * What the notebooks share but the library does not know: profiles and settings, what each notebook writes, and
 * the metrics of a run.
 *
 * @module
 */

export { type BaseModel, fetchBaseModel, type FolderModel, type WheelModel } from "./base_model.ts";
export { asRows, besideOriginal, compareTrainings, conclusions, whatWeSaw } from "./findings.ts";
export { loraDrawing, type LoraSizes } from "./drawing.ts";
export {
  buildMetrics,
  COLOURS,
  METHOD_KEYS,
  METHODS,
  readMetrics,
  readResult,
  writeMetrics,
  writeResult,
} from "./metrics.ts";
export type {
  ByMethod,
  Method,
  MethodInfo,
  MethodResult,
  RunMetrics,
  TrainedMethod,
  Training,
} from "./metrics.ts";
export { watchMemory } from "./memory.ts";
export { modelCard, type ModelCardOptions } from "./model_card.ts";
export { ORIGINAL } from "./original.ts";
export { type Notebook, NOTEBOOKS, type Output, outputOf, recordOutput } from "./outputs.ts";
export { type Profile, profile, runFolder, type TrainingNumbers } from "./profiles.ts";
export { beginRun, findSettings, loadRunData, openRun, type Run, runName } from "./run.ts";
export { checkVariables, defaultSettings, type Settings } from "./settings.ts";
