import assert from "node:assert/strict";
import { createRandom } from "lightweight-finetuning";
import { loadTokenizer } from "../../lib/tokenizer/tokenizer.ts";
import { type TokenizerCase, tokenizerFolder } from "../helpers/tokenizers.ts";
import reference from "../fixtures/tokenizer/classes.json" with { type: "json" };

const FILES = Number(Deno.env.get("FUZZ_FILES") ?? 300);
const VALUES = [
  null,
  0,
  -1,
  1.5,
  1e9,
  2 ** 32,
  "",
  "x",
  [],
  {},
  true,
  "a".repeat(50),
  [[]],
  "Left",
];
const TEXTS = ["the bank é 新 <mask> [MASK] a1 😀", "", "a ".repeat(300), "\0\u0301"];

/** Parts that the three tokenizers do not have, each with fields of all. */
const PARTS = {
  pre_tokenizer: "Whitespace Digits Punctuation CharDelimiterSplit UnicodeScripts Split Sequence",
  normalizer: "NFC NFKC Strip StripAccents Nmt Precompiled Prepend ByteLevel Replace Sequence",
  decoder: "BPEDecoder Strip CTC ByteFallback Fuse Replace Sequence",
};
const ANY = {
  ...{ delimiter: "a", strip_left: true, strip_right: true, prepend: "_", content: "b", start: 1 },
  ...{ pattern: { String: "a" }, behavior: "Isolated", invert: false, individual_digits: true },
  ...{ suffix: "</w>", stop: 2, pad_token: "<pad>", word_delimiter_token: "|", cleanup: true },
  ...{ precompiled_charsmap: "BAAAAGFiY2RhYmNk", normalizers: [], pretokenizers: [], decoders: [] },
};

Deno.test(`${FILES} altered tokenizers are read or refused, and end nothing`, async () => {
  const stream = createRandom(Number(Deno.env.get("SEED") ?? 1));
  const random = () => stream.uniform(1)[0]!;
  const pick = <T>(from: T[]) => from[Math.floor(random() * from.length)]!;
  const isObject = (value: unknown): value is Record<string, unknown> =>
    typeof value === "object" && value !== null;

  /** Replaces or removes one value, at whatever depth. */
  function alter(part: Record<string, unknown>) {
    const key = pick(Object.keys(part));
    if (key === undefined) return;
    if (isObject(part[key]) && random() < 0.8) alter(part[key]);
    else if (random() < 0.25) delete part[key];
    else part[key] = pick([...VALUES, ...Object.values(part)]);
  }

  let read = 0;
  for (let i = 0; i < FILES; i++) {
    const tokenizer = pick(["wordpiece", "byteLevel", "unigram"] as const);
    const patch: Record<string, unknown> = structuredClone(reference.tokenizers[tokenizer]);
    for (const [part, types] of Object.entries(PARTS)) {
      if (random() < 0.2) patch[part] = { ...ANY, type: pick(types.split(" ")) };
    }
    for (let times = random() * 3; times > 0; times--) alter(patch);
    const settings = { ...pick(reference.cases as TokenizerCase[]).settings };
    if (random() < 0.7) settings.tokenizer_class = "PreTrainedTokenizerFast";
    if (random() < 0.3) alter(settings);
    await using folder = await tokenizerFolder({ tokenizer, settings, patch });
    await Deno.writeTextFile(`${folder.path}/tokenizer.json`, JSON.stringify(patch));
    try {
      const opened = await loadTokenizer(folder.path);
      for (const ids of await opened.encode(TEXTS)) {
        assert.ok(ids.length <= opened.maxLength);
        await opened.decode(ids);
      }
      read++;
    } catch (error) {
      const { name, message } = error as Error;
      assert.match(`${name}: ${message}`, /^TypeError: Cannot (load|encode) .* must .*: current/);
    }
  }
  assert.ok(read > FILES / 20 && read < FILES * 0.9, `${read} were read`);
});
