/**
 * What the notebooks share but the library does not know: profiles, what each notebook writes, and the
 * metrics of a run.
 *
 * @module
 */

export { type BaseModel, fetchBaseModel, type WheelModel } from "./base_model.ts";
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
export { modelCard, type ModelCardOptions } from "./model_card.ts";
export { type Notebook, NOTEBOOKS, outputOf } from "./outputs.ts";
export { type Profile, profile, type TrainingNumbers } from "./profiles.ts";
