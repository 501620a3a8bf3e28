/**
 * What the notebooks share but the library does not know: profiles, what each notebook writes, and the
 * metrics of a run.
 *
 * @module
 */

export { fetchBaseModel } from "./base_model.ts";
export type { BaseModel, WheelModel } from "./base_model.ts";
export {
  buildMetrics,
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
} from "./metrics.ts";
export { modelCard } from "./model_card.ts";
export type { ModelCardOptions } from "./model_card.ts";
export { NOTEBOOKS, outputOf } from "./outputs.ts";
export type { Notebook } from "./outputs.ts";
export { profile } from "./profiles.ts";
export type { Profile, TrainingNumbers } from "./profiles.ts";
