import { join } from "node:path";
import { isFile } from "../files.ts";

/** An object in one of a tokenizer's files. */
export type Json = Record<string, unknown>;

/** A tokenizer's files, each an object. */
export interface TokenizerFiles {
  /** The text of `tokenizer.json`. */
  text: string;
  tokenizer: Json;
  /** `tokenizer_config.json`. */
  settings: Json;
  /** `config.json`. */
  config: Json;
  /** `special_tokens_map.json`. */
  map: Json;
  /** `added_tokens.json`: ids by token. */
  added: Json;
}

/** Reads a tokenizer's files; those that need not be there are `{}` where they are not. */
export async function readFiles(folder: string): Promise<TokenizerFiles> {
  const text = await Deno.readTextFile(join(folder, "tokenizer.json"));
  const read = async (name: string) => {
    const path = join(folder, name);
    return await isFile(path) ? parse(await Deno.readTextFile(path), path) : {};
  };
  return {
    text,
    tokenizer: parse(text, join(folder, "tokenizer.json")),
    settings: await read("tokenizer_config.json"),
    config: await read("config.json"),
    map: await read("special_tokens_map.json"),
    added: await read("added_tokens.json"),
  };
}

function parse(text: string, path: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch { /* no object, like other values */ }
  if (isObject(value)) return value;
  throw new TypeError(
    `Cannot load a tokenizer as ${path} must be a JSON object: current value begins with ` +
      `${JSON.stringify(text.slice(0, 40))}. Download the model again`,
  );
}

/** Refuses a field of a tokenizer's file. */
export function refuse(
  field: string,
  file: string,
  expected: string,
  value: unknown,
  remedy = "Correct the file or download the model again",
): never {
  throw new TypeError(
    `Cannot load a tokenizer as '${field}' in ${file} must be ${expected}: current value is ` +
      `${String(JSON.stringify(value)).slice(0, 200)}. ${remedy}`,
  );
}

/** The file of most settings. */
export const SETTINGS = "tokenizer_config.json";
/** Whether a file's value is true or false. */
export const isBoolean = (value: unknown) => typeof value === "boolean";
const isEmpty = (value: unknown) => value === null || Array.isArray(value) && value.length === 0;

/** Fields of `tokenizer_config.json` of which only some values can be honoured: a test, what it demands, a remedy. */
const DEMANDS: Record<string, [(value: unknown) => boolean, string, string?]> = {
  do_lower_case: [isBoolean, "true or false"],
  tokenize_chinese_chars: [isBoolean, "true or false"],
  strip_accents: [(value) => value === null || isBoolean(value), "true, false or null"],
  add_prefix_space: [isBoolean, "true or false"],
  truncation_side: [(value) => value === "left" || value === "right", "'left' or 'right'"],
  padding_side: [
    (value) => value === "right",
    "'right'",
    "Positions count from a row's first token: set it to 'right'",
  ],
  split_special_tokens: [
    (value) => value === false,
    "false",
    "Set it to false and take special tokens out of the texts",
  ],
  model_input_names: [
    (value) =>
      Array.isArray(value) && value.includes("input_ids") && value.includes("attention_mask"),
    "a list with input_ids and attention_mask",
    "Without a mask, padding would be read as text: leave the field out",
  ],
  init_inputs: [isEmpty, "empty", "Leave it out"],
  fast_tokenizer_files: [
    (value) => Array.isArray(value) && value.every((file) => file === "tokenizer.json"),
    "a list of tokenizer.json alone",
    "Keep the version that is meant, as tokenizer.json",
  ],
};

/** Arguments that Transformers hands from one function to the next, and would take from the file too. */
const INTERNAL = [
  "gguf_file",
  "post_processor",
  "tokenizer_object",
  "tokenizer_padding",
  "tokenizer_truncation",
  "trust_remote_code",
  "_json_padding",
  "_json_truncation",
  "_spm_precompiled_charsmap",
];

/** Refuses values that give other ids, or none, in Transformers, and that are not honoured here. */
export function checkSettings({ settings, tokenizer }: TokenizerFiles) {
  for (const [field, [holds, expected, remedy]] of Object.entries(DEMANDS)) {
    const value = settings[field];
    if (value !== undefined && !holds(value)) refuse(field, SETTINGS, expected, value, remedy);
  }
  for (const field of INTERNAL) {
    if (settings[field]) refuse(field, SETTINGS, "left out", settings[field], "It is no setting");
  }
  const { direction } = isObject(tokenizer.padding) ? tokenizer.padding : {};
  if (settings.padding_side === undefined && direction === "Left") {
    const remedy = "Set 'padding_side' in tokenizer_config.json to 'right'";
    refuse("padding.direction", "tokenizer.json", "'Right'", direction, remedy);
  }
}

/** The most ids that `tokenizer_config.json` allows a row, special tokens included. */
export function maxLengthOf(settings: Json, fewest: number): number {
  const field = "model_max_length" in settings ? "model_max_length" : "max_len";
  const value = settings[field] ?? Infinity;
  const unlimited = 1e20; // Transformers' LARGE_INTEGER
  if (typeof value === "number" && value > unlimited) return Infinity;
  if (Number.isInteger(value) && Number(value) >= fewest) return Number(value);
  const remedy = "Correct it, or leave it out for the model's own limit";
  return refuse(field, SETTINGS, `a whole number from ${fewest} or null`, value, remedy);
}

/** Whether a file's value is an object, not a list. */
export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
