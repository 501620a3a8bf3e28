import { isObject, type Json } from "./settings.ts";

/**
 * Refuses what ends the process in the native code of `tokenizers` 0.23, where no error comes back.
 *
 * @param tokenizer What `tokenizer.json` says, or what a class makes of it.
 * @param path The file's.
 */
export function checkParts(tokenizer: Json, path: string) {
  const { model, normalizer, pre_tokenizer, post_processor, decoder } = tokenizer;
  if (isObject(model)) checkMerges(model, path);
  for (const part of partsOf([normalizer, pre_tokenizer, post_processor, decoder])) {
    if ("Regex" in part) checkExpression(part.Regex, path);
    if (part.type === "TemplateProcessing") checkTemplate(part, path);
    if (part.type === "Precompiled") checkCharsmap(part.precompiled_charsmap, path);
    if (part.type === "Strip" && Number(part.stop) > 0) {
      refuse(path, "a decoder's 'stop' must be 0", part.stop, "It may be longer than a token");
    }
    if (part.type === "Prepend" && part.prepend === "") {
      refuse(path, "what a normalizer prepends must be a text", part.prepend, "Leave it out");
    }
  }
}

function refuse(path: string, expected: string, value: unknown, remedy: string): never {
  throw new TypeError(
    `Cannot load a tokenizer as ${expected} in ${path}: current value is ` +
      `${String(JSON.stringify(value)).slice(0, 200)}. ${remedy}`,
  );
}

function* partsOf(root: unknown): Generator<Json> {
  const left = [root];
  while (left.length > 0) {
    const part = left.pop();
    if (isObject(part)) yield part;
    if (typeof part === "object" && part !== null) {
      for (const one of Object.values(part)) left.push(one);
    }
  }
}

// One character of a text: itself, an escape or a set.
const ESCAPE = String.raw`\\[^\w]|\\[dDwWsSnrt]|\\[pP]\{\^?\w+\}`;
const ATOM = String.raw`(?:[^\\[\](){}*+?|^$]|${ESCAPE}|\[(?:[^\\[\]&]|${ESCAPE})+\])`;
const ALTERNATIVE = String.raw`${ATOM}*(?:${ATOM}\?)?${ATOM}*` +
  String.raw`(?:${ATOM}(?:[*+]|\{\d{1,3}(?:,\d{0,3})?\}))?(?:\(\?!\\S\))?`;
const LINEAR = new RegExp(`^${ALTERNATIVE}(?:\\|${ALTERNATIVE})*$`, "u");

/**
 * Refuses an expression whose time may explode: Oniguruma gives up after ten million steps back.
 *
 * Of those it passes, a repetition is of one character and the end of its alternative: nothing after it can fail and send
 * it back, but for GPT-2's `(?!\S)`, which does so once.
 */
function checkExpression(expression: unknown, path: string) {
  const text = String(expression);
  if (text.length <= 1000 && LINEAR.test(text)) return;
  refuse(
    path,
    "an expression must repeat single characters only, and nothing after them,",
    expression,
    "On some texts others never end: write it as alternatives that each end in a repetition",
  );
}

function checkMerges({ merges, continuing_subword_prefix: prefix }: Json, path: string) {
  if (typeof prefix !== "string" || prefix === "" || !Array.isArray(merges)) return;
  for (const merge of merges) {
    const [, right] = Array.isArray(merge) ? merge : String(merge).split(" ");
    if (typeof right === "string" && right.startsWith(prefix)) continue;
    const expected = `a merge's second part must begin with '${prefix.slice(0, 40)}'`;
    refuse(path, expected, merge, "It is the 'continuing_subword_prefix': correct either");
  }
}

function checkTemplate({ single, pair, special_tokens }: Json, path: string) {
  if ([...partsOf(single)].filter(({ Sequence }) => Sequence).length > 1) {
    refuse(
      path,
      "a template must have a text once",
      single,
      "Twice is more than the model's limit",
    );
  }
  for (const { SpecialToken } of partsOf([single, pair])) {
    if (!isObject(SpecialToken)) continue;
    const id = String(SpecialToken.id);
    if (isObject(special_tokens) && Object.hasOwn(special_tokens, id)) continue;
    refuse(path, "a template's tokens must be among its 'special_tokens'", id, "Add it there");
  }
}

/**
 * Refuses a map of characters, as sentencepiece writes it, that leads out of its bounds: a trie (a double array of
 * darts-clone) of UTF-8 bytes, whose leaves say where in the following bytes a replacement begins.
 */
function checkCharsmap(charsmap: unknown, path: string) {
  if (typeof charsmap === "string" && staysInBounds(charsmap)) return;
  const remedy = "Download the model again";
  refuse(path, "'precompiled_charsmap' must be a map that sentencepiece wrote,", charsmap, remedy);
}

function staysInBounds(charsmap: string): boolean {
  let bytes: Uint8Array<ArrayBuffer>, size: number;
  try {
    bytes = Uint8Array.from(atob(charsmap), (character) => character.charCodeAt(0));
    size = new DataView(bytes.buffer).getUint32(0, true) / 4;
    new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(4 + 4 * size));
  } catch {
    return false; // no base64, too short, or no UTF-8
  }
  if (!Number.isInteger(size) || size === 0 || 4 + 4 * size > bytes.length) return false;
  const replacements = bytes.subarray(4 + 4 * size);
  const units = new Uint32Array(bytes.slice(4, 4 + 4 * size).buffer);
  const next = (at: number) => (at ^ (units[at]! >>> 10 << ((units[at]! & 0x200) >>> 6))) >>> 0;
  const nodes = new Set([next(0)]);
  for (const node of nodes) {
    if ((node | 0xff) >= size) return false;
    for (let byte = 1; byte < 256; byte++) {
      const at = node ^ byte;
      if ((units[at]! & 0x800000ff) !== byte) continue;
      const child = next(at);
      if (child >= size) return false;
      const start = units[child]! & 0x7fffffff;
      const isLeaf = (units[at]! & 0x100) !== 0;
      if (isLeaf && (start > replacements.length || (replacements[start]! & 0xc0) === 0x80)) {
        return false;
      }
      nodes.add(child);
    }
  }
  return true;
}
