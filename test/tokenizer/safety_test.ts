import assert from "node:assert/strict";
import { loadTokenizer } from "../../lib/tokenizer/tokenizer.ts";
import { tokenizerFolder } from "../helpers/tokenizers.ts";
import classes from "../fixtures/tokenizer/classes.json" with { type: "json" };

const config = { model_type: "bert", max_position_embeddings: 512, pad_token_id: 0 };

/** Expressions by whether matching them takes time in proportion to the text, whatever the text. */
const EXPRESSIONS: [boolean, string[]][] = [
  [true, [
    " {2,}",
    "\\s+",
    "\\d{3}",
    "[^a-z]+|\\p{L}+",
    "a|bc*|d?e+",
    "\\p{N}{1,3}",
    "\\.|[.,\\-]",
  ]],
  [true, ["'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"]],
  [false, [
    "(a+)+$",
    "(a|a)*b",
    "(?:a|aa)+$",
    "a+b",
    "\\s+$",
    "a*a*a*b",
    "a+?b",
    ".*,.*;",
    "a{2,}b",
  ]],
  [false, ["a?".repeat(30) + "a".repeat(30), "(a", "\\1", "(?<x>a)\\g<x>", "[[:alpha:]]+", "a++b"]],
  [false, ["a{1,1000000}", "a".repeat(2000)]],
];

for (const [passes, expressions] of EXPRESSIONS) {
  for (const Regex of expressions) {
    const what = `an expression ${
      passes ? "that cannot explode is read" : "that might is refused"
    }`;
    Deno.test(`${what}: ${Regex.slice(0, 60)}`, async () => {
      const split = { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false };
      const replace = { type: "Replace", pattern: { Regex }, content: "the" };
      const patches = [
        { pre_tokenizer: { type: "Sequence", pretokenizers: [split] } },
        { normalizer: { type: "Sequence", normalizers: [{ type: "Lowercase" }, replace] } },
        { decoder: replace },
      ];
      for (const patch of patches) {
        const settings = { tokenizer_class: "PreTrainedTokenizerFast" };
        await using folder = await tokenizerFolder({
          tokenizer: "wordpiece",
          settings,
          patch,
          config,
        });
        if (passes) {
          const texts = ["a", "ab", " ", "1", "'", "the  bank 42"].map((text) => text.repeat(1e4));
          const tokenizer = await loadTokenizer(folder.path);
          await tokenizer.decode((await tokenizer.encode(texts))[0]!);
        } else {
          const message = /an expression must repeat .* in .*\/tokenizer\.json: current/;
          await assert.rejects(loadTokenizer(folder.path), { name: "TypeError", message });
        }
        const read = await tokenizerFolder({ tokenizer: "wordpiece", settings: {}, patch, config });
        await loadTokenizer(read.path); // BertTokenizer takes none of it
        await read[Symbol.asyncDispose]();
      }
    });
  }
}

const charsmap = classes.tokenizers.unigram.normalizer.normalizers[0]!.precompiled_charsmap!;

/** The map with one of its 32-bit numbers replaced; the first is the length of the trie. */
function altered(at: number, value: number): string {
  const bytes = Uint8Array.from(atob(charsmap), (character) => character.charCodeAt(0));
  new DataView(bytes.buffer).setUint32(4 * at, value, true);
  return btoa(String.fromCharCode(...bytes));
}

/** What ends the process in the native code, by what the error says of it. */
const FATAL: Record<string, object[]> = {
  "'precompiled_charsmap' must be a map": [
    ...[null, 7, "", "AA==", "?", charsmap.slice(0, 100), btoa("\x04\0\0\0abcd\xff")],
    ...[altered(0, 0), altered(0, 2 ** 32 - 4), altered(0, 1022), altered(1, 0x3ffffc00)],
  ].map((precompiled_charsmap) => ({ normalizer: { type: "Precompiled", precompiled_charsmap } })),
  "a template's tokens must be": ["single", "pair"].map((which) => ({
    post_processor: {
      type: "Sequence",
      processors: [{
        ...{ type: "TemplateProcessing", single: [], pair: [], special_tokens: {} },
        [which]: [{ SpecialToken: { id: "[CLS]", type_id: 0 } }],
      }],
    },
  })),
  "a template must have a text once": [{
    post_processor: {
      type: "TemplateProcessing",
      single: Array(2).fill({ Sequence: { id: "A", type_id: 0 } }),
      pair: [],
      special_tokens: {},
    },
  }],
  "what a normalizer prepends must be": [{ normalizer: { type: "Prepend", prepend: "" } }],
  "a decoder's 'stop' must be 0": [
    { decoder: { type: "Strip", content: " ", start: 0, stop: 1 } },
  ],
  "a merge's second part must begin with": [["a", "b"], "a b"].map((merge) => ({
    model: {
      ...{ type: "BPE", vocab: { a: 0, b: 1, ab: 2 } },
      ...{ merges: [merge], continuing_subword_prefix: "##" },
    },
  })),
};

for (const [message, patches] of Object.entries(FATAL)) {
  Deno.test(`refused, as the native code would end the process or pass the limit: ${message}`, async () => {
    for (const patch of patches) {
      for (const tokenizer_class of ["PreTrainedTokenizerFast", "XLMRobertaTokenizer"]) {
        const isTaken = tokenizer_class.startsWith("Pre") || message.includes("charsmap");
        if (!isTaken && "model" in patch) continue; // the class needs another
        const files = {
          tokenizer: "unigram",
          settings: { tokenizer_class },
          patch,
          config,
        } as const;
        await using folder = await tokenizerFolder(files);
        const loading = loadTokenizer(folder.path);
        const expected = {
          name: "TypeError",
          message: new RegExp(`as ${message}.*tokenizer.json`),
        };
        if (isTaken) await assert.rejects(loading, expected);
        else await loading; // the class has its own
      }
    }
  });
}
