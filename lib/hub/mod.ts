/**
 * The Hugging Face Hub: models, adapters and data sets down, models and adapters up.
 *
 * @module
 */

export { downloadAdapter, downloadModel } from "./model.ts";
export type { ModelSource } from "./model.ts";
export type { Repo } from "./fetch.ts";
export { publish } from "./publish.ts";
export type { PublishOptions } from "./publish.ts";
export type { DownloadProgress, HubOptions } from "./settings.ts";
export { downloadSnapshot } from "./snapshot.ts";
export type { FileSet, SnapshotRequest } from "./snapshot.ts";
