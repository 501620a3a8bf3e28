import { join } from "node:path";
import { isFile } from "../files.ts";
import { withDefaults } from "../options.ts";

/** An object in one of a tokenizer's files. */
export type Json = Record<string, unknown>;

/** A token that is found in a text before the rest is cut into words, as `tokenizer.json` writes it. */
export interface AddedToken {
  content: string;
  single_word?: boolean;
  lstrip?: boolean;
  rstrip?: boolean;
  normalized?: boolean;
  special?: boolean;
}

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

const SETTINGS = "tokenizer_config.json";
const isBoolean = (value: unknown) => typeof value === "boolean";
const isEmpty = (value: unknown) => value === null || Array.isArray(value) && value.length === 0;
const WITHIN = "It is an argument within Transformers, not a setting: leave it out";

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
  trust_remote_code: [(value) => value === false, "false", WITHIN],
  gguf_file: [isEmpty, "null", WITHIN],
  tokenizer_object: [isEmpty, "null", WITHIN],
  tokenizer_truncation: [isEmpty, "null", WITHIN],
  tokenizer_padding: [isEmpty, "null", WITHIN],
  post_processor: [isEmpty, "null", WITHIN],
  _json_truncation: [isEmpty, "null", WITHIN],
  _json_padding: [isEmpty, "null", WITHIN],
  _spm_precompiled_charsmap: [isEmpty, "null", WITHIN],
};

/** Refuses values that give other ids, or none, in Transformers, and that are not honoured here. */
export function checkSettings(settings: Json) {
  for (const [field, [holds, expected, remedy]] of Object.entries(DEMANDS)) {
    const value = settings[field];
    if (value !== undefined && !holds(value)) refuse(field, SETTINGS, expected, value, remedy);
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

const NAMES = [
  "bos_token",
  "eos_token",
  "unk_token",
  "sep_token",
  "pad_token",
  "cls_token",
  "mask_token",
];

/**
 * The special tokens by name, and all tokens to add to the tokenizer, in their order.
 *
 * As `from_pretrained` of Transformers 5.23 gathers them: those that `added_tokens_decoder` lists or, without it, the
 * older files; then those that are named and not yet there.
 *
 * @param defaults The tokens that the tokenizer's class names itself.
 * @param present The content of tokens that need not be added.
 */
export function specialTokens(
  files: TokenizerFiles,
  defaults: Json,
  present: string[],
): { named: Map<string, string>; toAdd: Required<AddedToken>[] } {
  const { settings, map } = files;
  const isOlder = settings.added_tokens_decoder === undefined;
  const fields: Json = { ...settings };
  if (isOlder) {
    for (const [field, value] of Object.entries(map)) {
      fields[field] = isObject(value) ? asSpecial(value) : value;
    }
  }
  const { extra_special_tokens, additional_special_tokens } = settings;
  let extra = isFalsy(extra_special_tokens) ? additional_special_tokens : extra_special_tokens;
  if (isOlder) extra = merged(extra ?? map.additional_special_tokens, map.extra_special_tokens);
  if (extra && typeof extra !== "object") refuse(EXTRA, SETTINGS, "a list of tokens", extra);
  const specific = {
    ...modelTokens(fields),
    ...asObject(settings.model_specific_special_tokens),
    ...modelTokens(settings),
    ...asObject(extra),
  };

  const listed = isOlder ? olderTokens(files, fields, extra) : listedTokens(settings);
  const byContent = new Map([...listed.values()].map((token) => [token.content, token]));
  const named = new Map<string, AddedToken>();
  for (const name of NAMES) {
    const value = name in fields ? fields[name] : defaults[name];
    if (value === null || value === undefined) continue;
    named.set(name, name in fields && byContent.get(contentOf(value)) || namedToken(value, name));
  }
  for (const name in specific) named.set(name, namedToken(specific[name], name));

  const known = new Set([...present, ...byContent.keys()]);
  const others = [...named.values()];
  others.push(...asList(extra).map((token) => namedToken(token, EXTRA)));
  const specials = new Set([...named.values()].map(({ content }) => content));
  const toAdd = [...listed].sort(([a], [b]) => a - b).map(([, token]) => token);
  toAdd.push(...others.filter(({ content }) => !known.has(content)));
  return {
    named: new Map([...named].map(([name, { content }]) => [name, content])),
    toAdd: toAdd.map((token) => {
      const special = token.special || specials.has(token.content);
      const defaults = { single_word: false, lstrip: false, rstrip: false, normalized: !special };
      return { ...withDefaults(defaults, token), special } as Required<AddedToken>;
    }),
  };
}

function listedTokens({ added_tokens_decoder }: Json): Map<number, AddedToken> {
  const field = "added_tokens_decoder";
  if (!isObject(added_tokens_decoder)) refuse(field, SETTINGS, "an object", added_tokens_decoder);
  const tokens = Object.entries(added_tokens_decoder);
  return new Map(tokens.map(([id, token]) => [Number(id), addedToken(token, field, SETTINGS)]));
}

/** What `added_tokens.json` and `tokenizer.json` list; the latter wins. */
function olderTokens(files: TokenizerFiles, fields: Json, extra: unknown) {
  const specials = [...NAMES.map((name) => fields[name]), ...asList(extra)].map(contentOf);
  const listed = new Map<number, AddedToken>();
  for (const [content, id] of Object.entries(files.added)) {
    const special = specials.includes(content);
    listed.set(Number(id), { content, special, normalized: !special });
  }
  for (const token of asList(files.tokenizer.added_tokens)) {
    const added = addedToken(token, "added_tokens", "tokenizer.json");
    listed.set(Number((token as Json).id), added);
  }
  return listed;
}

/** A token that a setting names: its text, or what Transformers would take for an `AddedToken`. */
function namedToken(value: unknown, field: string): AddedToken {
  if (typeof value === "string") return { content: value, special: true };
  if (isToken(value)) return addedToken(value, field, SETTINGS);
  return refuse(field, SETTINGS, "a text, or an object whose '__type' is AddedToken", value);
}

function addedToken(value: unknown, field: string, file: string): AddedToken {
  if (!isObject(value) || typeof value.content !== "string") {
    return refuse(field, file, "a token with a text 'content'", value);
  }
  const { content, single_word, lstrip, rstrip, normalized, special } = value;
  const flags = { single_word, lstrip, rstrip, normalized, special };
  for (const [flag, given] of Object.entries(flags)) {
    if (given === undefined || isBoolean(given)) continue;
    refuse(`${field}.${flag}`, file, "true or false", given);
  }
  return { content, ...flags } as AddedToken;
}

const EXTRA = "extra_special_tokens";

/** Tokens that a model names beside the usual ones, such as `image_token`. */
const modelTokens = (fields: Json) =>
  Object.fromEntries(
    Object.entries(fields).filter(([name, value]) =>
      name.endsWith("_token") && !NAMES.includes(name) &&
      (isToken(value) || typeof value === "string")
    ),
  );

/** A token of `special_tokens_map.json`. */
const asSpecial = (token: Json) => ({ ...token, __type: "AddedToken", special: true });

const isFalsy = (value: unknown) =>
  !value || Array.isArray(value) && value.length === 0 ||
  isObject(value) && Object.keys(value).length === 0;

/** Whether a file's value is an object, not a list. */
export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const asList = (value: unknown): unknown[] => Array.isArray(value) ? value : [];
const asObject = (value: unknown): Json => isObject(value) ? value : {};

const isToken = (value: unknown): value is Json => isObject(value) && value.__type === "AddedToken";

function merged(extra: unknown, more: unknown) {
  if (isObject(more)) return { ...asObject(extra), ...more };
  if (!Array.isArray(more)) return extra;
  return [...asList(extra), ...more.map((token) => isObject(token) ? asSpecial(token) : token)];
}

const contentOf = (value: unknown) =>
  isObject(value) && typeof value.content === "string" ? value.content : String(value);
