import { checkOptions } from "../options.ts";
import { REPOSITORY_OPTIONS, type RepositoryOptions } from "./folder.ts";
import { downloadSnapshot, type FileSet } from "./snapshot.ts";

/** A model's repository on the Hugging Face Hub. */
export interface ModelSource {
  /** `organisation/name`. */
  hub: string;
  /** A commit, tag or branch. @default {"main"} */
  revision?: string;
}

/** The files of a tokenizer, as Transformers saves them beside a model. */
export const TOKENIZER_FILES = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "vocab.txt",
  "merges.txt",
];

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

/** A tokenizer: its own files, and the model's `config.json`, which it reads too. */
export const TOKENIZER: FileSet = {
  wanted: new RegExp(`^(${files})$`),
  required: { "config.json": /^config\.json$/, "tokenizer.json": /^tokenizer\.json$/ },
};

/** An adapter, as peft saves it. */
export const ADAPTER: FileSet = {
  wanted: /^adapter_(config\.json|model\.safetensors)$/,
  required: {
    "adapter_config.json": /^adapter_config\.json$/,
    "adapter_model.safetensors": /^adapter_model\.safetensors$/,
  },
};

/** A model or an adapter, with a tokenizer if there is one. */
export const MODEL_OR_ADAPTER: FileSet = {
  wanted: new RegExp(`${MODEL.wanted.source}|${ADAPTER.wanted.source}`),
  required: {
    "config.json or adapter_config.json": /^(adapter_)?config\.json$/,
    "model.safetensors or adapter_model.safetensors":
      /^(model(-\d{5}-of-\d{5})?|adapter_model)\.safetensors$/,
  },
};

/**
 * Downloads a model: `config.json`, `model.safetensors` (or its shards and their index) and the
 * tokenizer's files; no other format.
 *
 * @param source The repository, or its name.
 * @param options Which revision, and how to reach the Hub.
 * @returns The folder with these files.
 * @throws {TypeError} When the source is malformed.
 * @throws {Error} When a file is missing or has the wrong content, or the Hub refuses it.
 *
 * @example
 * ```ts ignore
 * import { downloadModel } from "lightweight-finetuning";
 * const folder = await downloadModel("sentence-transformers/all-MiniLM-L6-v2");
 * ```
 */
export async function downloadModel(
  source: string | ModelSource,
  options: RepositoryOptions = {},
): Promise<string> {
  checkOptions("download a model", options, REPOSITORY_OPTIONS);
  if (typeof source === "string") source = { hub: source };
  const revision = source.revision ?? options.revision;
  return await downloadSnapshot({ type: "model", name: source.hub, revision, ...MODEL }, options);
}

/**
 * Downloads an adapter: `adapter_config.json` and `adapter_model.safetensors`.
 *
 * @param name `organisation/name` on the Hub.
 * @param options How to reach the Hub; `revision` is a commit, tag or branch.
 * @returns The folder with these files.
 * @throws {Error} As {@link downloadModel} does.
 *
 * @example
 * ```ts ignore
 * import { downloadAdapter } from "lightweight-finetuning/hub";
 * const folder = await downloadAdapter("me/news-lora", { revision: "v2" });
 * ```
 */
export async function downloadAdapter(
  name: string,
  options: RepositoryOptions = {},
): Promise<string> {
  checkOptions("download an adapter", options, REPOSITORY_OPTIONS);
  const { revision, ...hub } = options;
  return await downloadSnapshot({ type: "model", name, revision, ...ADAPTER }, hub);
}
