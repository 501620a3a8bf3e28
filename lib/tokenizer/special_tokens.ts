import { withDefaults } from "../options.ts";
import {
  isBoolean,
  isObject,
  type Json,
  refuse,
  SETTINGS,
  type TokenizerFiles,
} from "./settings.ts";

/** A token that is found in a text before the rest is cut into words, as `tokenizer.json` writes it. */
export interface AddedToken {
  content: string;
  single_word?: boolean;
  lstrip?: boolean;
  rstrip?: boolean;
  normalized?: boolean;
  special?: boolean;
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
      if (!/_tokens?$/.test(field)) {
        refuse(field, MAP, "left out", value, "Only tokens belong there");
      }
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
  return new Map(
    tokens.map(([id, token]) => [
      checkId(Number(id), field, SETTINGS),
      addedToken(token, field, SETTINGS),
    ]),
  );
}

/** What `added_tokens.json` and `tokenizer.json` list; the latter wins. */
function olderTokens(files: TokenizerFiles, fields: Json, extra: unknown) {
  const specials = [...NAMES.map((name) => fields[name]), ...asList(extra)].map(contentOf);
  const listed = new Map<number, AddedToken>();
  for (const [content, id] of Object.entries(files.added)) {
    const special = specials.includes(content);
    listed.set(checkId(id, content, "added_tokens.json"), {
      content,
      special,
      normalized: !special,
    });
  }
  for (const token of asList(files.tokenizer.added_tokens)) {
    const [field, file] = ["added_tokens", "tokenizer.json"] as const;
    const added = addedToken(token, field, file);
    listed.set(checkId((token as Json).id, field, file), added);
  }
  return listed;
}

function checkId(id: unknown, field: string, file: string): number {
  return Number.isInteger(id) ? Number(id) : refuse(field, file, "tokens with whole numbers", id);
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
const MAP = "special_tokens_map.json";

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
