import type { Processor, Tokenizer as NativeTokenizer } from "tokenizers";
import { checkParts } from "./safety.ts";
import { isObject, type Json, refuse, SETTINGS, type TokenizerFiles } from "./settings.ts";
import { specialTokens } from "./special_tokens.ts";

/** How a class of Transformers 5.23 makes its tokenizer: of `tokenizer.json` it takes the vocabulary alone. */
interface TokenizerClass {
  /** The special tokens that it names itself. */
  tokens: Record<string, string>;
  /** Those it cannot do without. */
  needed: string[];
  build(file: Json, settings: Json, named: Map<string, string>): Json;
  /** What puts the special tokens around a text. */
  around(named: Map<string, string>, id: (name: string) => number): Promise<Processor>;
}

/** `BertTokenizer`, and DistilBERT's and ELECTRA's. */
const bert: TokenizerClass = {
  tokens: {
    unk_token: "[UNK]",
    sep_token: "[SEP]",
    pad_token: "[PAD]",
    cls_token: "[CLS]",
    mask_token: "[MASK]",
  },
  needed: ["unk_token", "cls_token", "sep_token"],
  build: ({ model }, settings, named) => ({
    model: {
      type: "WordPiece",
      vocab: vocabulary(model),
      unk_token: named.get("unk_token"),
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
    },
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: settings.tokenize_chinese_chars ?? true,
      strip_accents: settings.strip_accents ?? null,
      lowercase: settings.do_lower_case ?? true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  }),
  async around(named, id) {
    const { templateProcessing } = await import("tokenizers");
    const [cls, sep] = [named.get("cls_token")!, named.get("sep_token")!];
    return templateProcessing(`${cls}:0 $A:0 ${sep}:0`, undefined, [
      [cls, id("cls_token")],
      [sep, id("sep_token")],
    ]);
  },
};

const FAIRSEQ_TOKENS = {
  bos_token: "<s>",
  eos_token: "</s>",
  sep_token: "</s>",
  cls_token: "<s>",
  unk_token: "<unk>",
  pad_token: "<pad>",
  mask_token: "<mask>",
};

/** `RobertaTokenizer`. */
const roberta: TokenizerClass = {
  tokens: FAIRSEQ_TOKENS,
  needed: ["cls_token", "sep_token"],
  build: ({ model }, settings) => ({
    model: {
      type: "BPE",
      vocab: vocabulary(model),
      merges: isObject(model) && model.merges || [],
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
    },
    pre_tokenizer: {
      type: "ByteLevel",
      add_prefix_space: settings.add_prefix_space ?? false,
      trim_offsets: true,
      use_regex: true,
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
  }),
  async around(named, id) {
    const { robertaProcessing } = await import("tokenizers");
    const token = (name: string): [string, number] => [named.get(name)!, id(name)];
    return robertaProcessing(token("sep_token"), token("cls_token"));
  },
};

/** `XLMRobertaTokenizer`. */
const xlmRoberta: TokenizerClass = {
  tokens: FAIRSEQ_TOKENS,
  needed: ["bos_token", "eos_token"],
  build({ model, normalizer }, settings) {
    const prepend_scheme = settings.add_prefix_space ?? true ? "always" : "never";
    const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme, split: true };
    const steps = isObject(normalizer) && normalizer.type === "Sequence"
      ? normalizer.normalizers
      : [normalizer];
    return {
      model: {
        type: "Unigram",
        vocab: isObject(model) ? model.vocab : undefined,
        unk_id: 3,
        byte_fallback: false,
      },
      normalizer: Array.isArray(steps)
        ? steps.find((step) => isObject(step) && step.type === "Precompiled") ?? null
        : null,
      pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "WhitespaceSplit" }, metaspace] },
      decoder: metaspace,
    };
  },
  async around(named, id) {
    const { templateProcessing } = await import("tokenizers");
    const [bos, eos] = [named.get("bos_token")!, named.get("eos_token")!];
    return templateProcessing(`${bos} $A ${eos}`, undefined, [
      [bos, id("bos_token")],
      [eos, id("eos_token")],
    ]);
  },
};

/** By `tokenizer_class` without its ending Fast; `undefined` takes `tokenizer.json` as it is. */
const CLASSES: Record<string, TokenizerClass | undefined> = {
  BertTokenizer: bert,
  DistilBertTokenizer: bert,
  ElectraTokenizer: bert,
  RobertaTokenizer: roberta,
  XLMRobertaTokenizer: xlmRoberta,
  PreTrainedTokenizer: undefined,
  PythonBackend: undefined,
  TokenizersBackend: undefined,
};

/** The class of a model whose files name none. */
const OF_MODEL: Record<string, string> = {
  bert: "BertTokenizer",
  distilbert: "BertTokenizer",
  electra: "BertTokenizer",
  roberta: "RobertaTokenizer",
  "xlm-roberta": "XLMRobertaTokenizer",
};

/** A tokenizer of Hugging Face's `tokenizers` as Transformers' AutoTokenizer makes it of a folder. */
export interface Backend {
  native: NativeTokenizer;
  /** The special tokens' contents by name, such as `pad_token`. */
  named: Map<string, string>;
  isBpe: boolean;
  /** Whether the tokens of a text's beginning are those that the text begins with, if it ends before a space. */
  isByWord: boolean;
}

/** Makes the tokenizer that Transformers 5.23 makes of these files. */
export async function openBackend(files: TokenizerFiles, path: string): Promise<Backend> {
  const name = className(files);
  const made = CLASSES[name];
  const { tokenizer } = files;
  const padding = isObject(tokenizer.padding) ? tokenizer.padding : {};
  const { named, toAdd } = specialTokens(
    files,
    made?.tokens ?? { pad_token: padding.pad_token },
    made || !Array.isArray(tokenizer.added_tokens) ? [] : tokenizer.added_tokens.map(contentOf),
  );
  for (const token of made?.needed ?? []) {
    if (named.has(token)) continue;
    refuse(token, SETTINGS, `a text, as ${name} needs it`, null);
  }

  const { AddedToken, Tokenizer } = await import("tokenizers");
  const file = made?.build(tokenizer, files.settings, named);
  checkParts(file ?? tokenizer, path);
  let native: NativeTokenizer;
  try {
    native = Tokenizer.fromString(
      file ? JSON.stringify({ version: "1.0", ...file }) : files.text,
    );
    native.addAddedTokens(toAdd.map((token) =>
      new AddedToken(token.content, token.special, {
        singleWord: token.single_word,
        leftStrip: token.lstrip,
        rightStrip: token.rstrip,
        normalized: token.normalized,
      })
    ));
    const id = (name: string) => native.tokenToId(named.get(name)!)!;
    if (made) native.setPostProcessor(await made.around(named, id));
  } catch (error) {
    throw new TypeError(
      `Cannot load a tokenizer as ${path} must be one of Hugging Face's tokenizers for ${name}: ` +
        `current value is refused with '${(error as Error).message}'. Download the model again`,
      { cause: error },
    );
  }
  const isPlain = toAdd.every(({ content }) => /^[\x21-\x7e]*$/.test(content));
  const { model } = file ?? tokenizer;
  return {
    native,
    named,
    isBpe: isObject(model) && "merges" in model,
    isByWord: made !== undefined && isPlain,
  };
}

function className({ settings, config }: TokenizerFiles): string {
  const modelType = String(config.model_type);
  const [value, field, file] = settings.tokenizer_class
    ? [settings.tokenizer_class, "tokenizer_class", SETTINGS]
    : config.tokenizer_class
    ? [config.tokenizer_class, "tokenizer_class", "config.json"]
    : [OF_MODEL[modelType] ?? modelType, "model_type", "config.json"];
  const name = String(value).replace(/Fast$/, "");
  if (Object.hasOwn(CLASSES, name)) return name;
  const expected = field === "model_type" ? Object.keys(OF_MODEL) : Object.keys(CLASSES);
  return refuse(
    field,
    file,
    `one of ${expected.join(", ")}`,
    value,
    "'tokenizer_class': 'PreTrainedTokenizerFast' in tokenizer_config.json takes tokenizer.json as it is",
  );
}

/** A vocabulary of ids by token, or of tokens in the order of their ids. */
function vocabulary(model: unknown): unknown {
  const vocab = isObject(model) ? model.vocab : undefined;
  if (!Array.isArray(vocab)) return vocab;
  return Object.fromEntries(vocab.map((token, i) => [Array.isArray(token) ? token[0] : token, i]));
}

const contentOf = (token: unknown) => isObject(token) ? String(token.content) : "";
