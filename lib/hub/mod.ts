/**
 * The Hugging Face Hub: models, adapters and data sets down, models and adapters up.
 *
 * @module
 */

export type { Repo } from "./fetch.ts";
export { downloadAdapter, downloadModel, type ModelSource } from "./model.ts";
export { publish, type PublishOptions } from "./publish.ts";
export type { DownloadProgress, HubOptions } from "./settings.ts";
export { downloadSnapshot, type FileSet, type SnapshotRequest } from "./snapshot.ts";
