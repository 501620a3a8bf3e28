import assert from "node:assert/strict";
import { loadTokenizer } from "../../lib/tokenizer/tokenizer.ts";
import reference from "../fixtures/tokenizer/classes.json" with { type: "json" };
import { type TokenizerCase, tokenizerFolder } from "../helpers/tokenizers.ts";

const { texts } = reference;
const cases = reference.cases as TokenizerCase[];

async function outcome(one: TokenizerCase) {
  await using folder = await tokenizerFolder(one);
  const tokenizer = await loadTokenizer(folder.path);
  const ids = await tokenizer.encode(texts);
  return {
    ids: ids.map((row) => row.join(" ")).join(" | "),
    pad: tokenizer.padTokenId,
    decoded: await tokenizer.decode(ids[1]!),
  };
}

for (const name of ["wordpiece", "byteLevel", "unigram"]) {
  Deno.test(`${name}: a folder's files give the ids that AutoTokenizer gives`, async () => {
    const own = cases.filter(({ tokenizer, error }) => tokenizer === name && !error);
    assert.ok(own.length > 80);
    for (const { ids, pad, decoded, ...files } of own) {
      const ours = await outcome(files).catch((error) => error);
      const theirs = { ids, pad: pad ?? ours.pad, decoded };
      assert.deepEqual(ours, theirs, JSON.stringify(files));
    }
  });

  Deno.test(`${name}: files that AutoTokenizer refuses are refused`, async () => {
    const refused = cases.filter(({ tokenizer, error }) => tokenizer === name && error);
    assert.ok(refused.length > 9);
    for (const files of refused) {
      await assert.rejects(outcome(files), /^TypeError: Cannot (load|encode) a .* as .* must /);
    }
  });
}

/**
 * Fields of tokenizer_config.json by what becomes of them: honoured, refused but for the value that changes nothing, or
 * without effect on ids, for a reason.
 */
const FIELDS: Record<string, string> = {
  add_prefix_space: "honoured",
  added_tokens_decoder: "honoured",
  additional_special_tokens: "honoured",
  bos_token: "honoured",
  clean_up_tokenization_spaces: "honoured",
  clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output: "honoured",
  cls_token: "honoured",
  do_lower_case: "honoured",
  eos_token: "honoured",
  extra_special_tokens: "honoured",
  mask_token: "honoured",
  max_len: "honoured",
  model_max_length: "honoured",
  model_specific_special_tokens: "honoured",
  pad_token: "honoured",
  sep_token: "honoured",
  strip_accents: "honoured",
  tokenize_chinese_chars: "honoured",
  tokenizer_class: "honoured",
  truncation_side: "honoured",
  unk_token: "honoured",

  _json_padding: "refused",
  _json_truncation: "refused",
  _spm_precompiled_charsmap: "refused",
  fast_tokenizer_files: "refused",
  gguf_file: "refused",
  init_inputs: "refused",
  model_input_names: "refused",
  padding_side: "refused",
  post_processor: "refused",
  split_special_tokens: "refused",
  tokenizer_object: "refused",
  tokenizer_padding: "refused",
  tokenizer_truncation: "refused",
  trust_remote_code: "refused",

  _commit_hash: "which files are read is decided before",
  add_bos_token: "Transformers drops it where there is a tokenizer.json",
  add_eos_token: "Transformers drops it where there is a tokenizer.json",
  auto_map: "foreign code is never run, and the classes here need none",
  backend: "a record of what saved the files",
  chat_control_tokens: "for chats",
  chat_template: "for chats",
  errors: "for decoding in the tokenizers of before Transformers 5",
  files_loaded: "a record of what saved the files",
  fix_mistral_regex: "for Mistral's model types",
  is_local: "Transformers writes its own over it",
  local_files_only: "Transformers writes its own over it",
  max_length: "the argument of a call, which nothing takes from here",
  merges: "tokenizer.json's are written over it, or none are needed",
  merges_file: "the path of the folder's file is written over it",
  name_or_path: "the folder is written over it",
  pad_to_multiple_of: "an option of batches here",
  pad_token_type_id: "of tokens that are masked",
  processor_class: "for images and sound",
  response_schema: "for chats",
  response_template: "for chats",
  stride: "for what truncation leaves over, which is not kept",
  tokenizer: "popped, and never used",
  tokenizer_file: "the path of the folder's file is written over it",
  trim_offsets: "of offsets, which are not kept",
  truncation_strategy: "of pairs of texts",
  unk_id: "for folders without tokenizer.json",
  verbose: "of messages",
  vocab: "tokenizer.json's is written over it",
  vocab_file: "the path of the folder's file is written over it",
};

Deno.test("every field that Transformers reads is honoured, refused, or without effect", async () => {
  assert.deepEqual(Object.keys(FIELDS).sort(), reference.fields);
  for (const [field, becomes] of Object.entries(FIELDS)) {
    const tried = cases.filter(({ settings, error }) => field in settings && !error);
    if (becomes === "refused") {
      await assert.rejects(
        outcome({ tokenizer: "wordpiece", settings: { [field]: REFUSED[field] } }),
        {
          name: "TypeError",
          message: new RegExp(`'${field}' in tokenizer_config\\.json must be `),
        },
      );
      continue;
    }
    const changed = tried.filter(({ tokenizer, settings, ids, pad, decoded }) => {
      const { [field]: _, ...others } = settings;
      const without = cases.find((one) =>
        one.tokenizer === tokenizer && !one.map && !one.added && !one.config && !one.patch &&
        JSON.stringify(one.settings) === JSON.stringify(others)
      );
      const result = JSON.stringify([ids, pad, decoded]);
      return without && result !== JSON.stringify([without.ids, without.pad, without.decoded]);
    });
    assert.ok(tried.length > 0, field);
    assert.equal(changed.length > 0, becomes === "honoured", field);
  }
});

/** Values that would give other numbers in Transformers, or an error. */
const REFUSED: Record<string, unknown> = {
  _json_padding: { direction: "left" },
  _json_truncation: { direction: "left" },
  _spm_precompiled_charsmap: "AA==",
  fast_tokenizer_files: ["tokenizer.4.0.0.json", "tokenizer.json"],
  gguf_file: "model.gguf",
  init_inputs: ["a"],
  model_input_names: ["input_ids"],
  padding_side: "left",
  post_processor: {},
  split_special_tokens: true,
  tokenizer_object: {},
  tokenizer_padding: { direction: "left" },
  tokenizer_truncation: { direction: "left" },
  trust_remote_code: true,
};

Deno.test("a file of tokens that holds other settings, or tokens without ids, is refused", async () => {
  const [tokenizer, settings] = ["wordpiece", {}] as const;
  const padding = { ...reference.tokenizers.wordpiece.padding, direction: "Left" };
  const rows: [TokenizerCase, RegExp][] = [
    [
      { tokenizer, settings, map: { do_lower_case: false } },
      /'do_lower_case' in special_tokens_map/,
    ],
    [{ tokenizer, settings, map: { cls_token: { lstrip: true } } }, /'cls_token' in .*'content'/],
    [{ tokenizer, settings, added: { new: "7" } }, /'new' in added_tokens\.json must be/],
    [
      { tokenizer, settings: { added_tokens_decoder: { x: { content: "a" } } } },
      /'added_tokens_dec/,
    ],
    [
      { tokenizer, settings, patch: { padding } },
      /'padding\.direction' in tokenizer\.json must be/,
    ],
  ];
  for (const [files, message] of rows) {
    await assert.rejects(outcome(files), { name: "TypeError", message });
  }
  await outcome({ tokenizer, settings: { padding_side: "right" }, patch: { padding } });
});
