import { join, resolve } from "node:path";
import type { Tokenizer as NativeTokenizer } from "tokenizers";
import { isFile } from "../files.ts";
import { findFolder, REPOSITORY_OPTIONS, type RepositoryOptions } from "../hub/folder.ts";
import { TOKENIZER, TOKENIZER_FILES } from "../hub/model.ts";
import { checkOptions } from "../options.ts";
import { openBackend } from "./backend.ts";
import {
  checkSettings,
  isObject,
  type Json,
  maxLengthOf,
  readFiles,
  refuse,
  type TokenizerFiles,
} from "./settings.ts";

/** Turns texts into token ids as the model's authors did. */
export interface Tokenizer {
  /** The id that fills a batch's shorter rows. */
  padTokenId: number;
  /** The id of what the vocabulary has no part for. @default {there is none} */
  unkTokenId?: number;
  /** Most ids a row can have, special tokens included; longer texts are truncated. */
  maxLength: number;
  /** Ids with special tokens and without padding, one list a text. */
  encode(texts: string[]): Promise<number[][]>;
  /** The text of these ids, special tokens left out. */
  decode(ids: number[]): Promise<string>;
  /** Paths of the files to copy beside a saved model. */
  files: string[];
}

/**
 * Opens the tokenizer of a model's folder with Hugging Face's own `tokenizers`, as AutoTokenizer of Transformers 5.23 does:
 * by its class, `tokenizer_config.json`, and the files of special tokens.
 *
 * @param folderOrName A folder with `tokenizer.json` and `config.json`, or `organisation/name` of the Hub.
 * @throws {TypeError} When an option is unknown, or a file is missing, malformed, or asks for what gives other ids here than
 * in Transformers. `encode` and `decode` throw one at what is no text or no id, `encode` also at a part without an id.
 *
 * @example
 * ```ts ignore
 * import { loadTokenizer } from "lightweight-finetuning";
 * const tokenizer = await loadTokenizer("FacebookAI/roberta-base");
 * console.log(await tokenizer.encode(["Hello"])); // [[0, 31414, 2]]
 * ```
 */
export async function loadTokenizer(
  folderOrName: string,
  options: RepositoryOptions = {},
): Promise<Tokenizer> {
  checkOptions("load a tokenizer", options, REPOSITORY_OPTIONS);
  const folder = await findFolder(folderOrName, TOKENIZER, options);
  for (const file of ["tokenizer.json", "config.json"]) {
    if (await isFile(join(folder, file))) continue;
    throw new TypeError(
      `Cannot load a tokenizer as 'folder' must hold ${file}: current value is ${folder}. Give a` +
        " folder that saveModel wrote with the tokenizer, or a name on the Hub",
    );
  }
  const files = await readFiles(folder);
  const path = join(folder, "tokenizer.json");
  checkSettings(files);
  const { native, named, isBpe, isByWord } = await openBackend(files, path);
  native.disablePadding();
  native.disableTruncation();
  const fewest = 1 + (await native.encode("")).getLength();
  const { padTokenId, positions } = limits(files.config, fewest);
  const maxLength = Math.min(maxLengthOf(files.settings, fewest), positions);
  const direction = truncationSide(files);
  native.setTruncation(maxLength, { direction });
  await checkTypes(native, files.settings);

  const pad = named.get("pad_token");
  const unknown = native.tokenToId(named.get("unk_token") ?? "") ?? undefined;
  const cut = isByWord && direction === "right" ? head : (text: string) => text;
  const { clean_up_tokenization_spaces: cleansUp, [EVEN_BPE]: evenBpe } = files.settings;
  const cleanUp = cleansUp && (!isBpe || evenBpe) ? withoutSpaces : String;

  const paths = TOKENIZER_FILES.map((file) => resolve(folder, file));
  const present = await Promise.all(paths.map(isFile));
  const encodeWhole = async (texts: string[]) => {
    const encodings = await native.encodeBatch(texts).catch((error: Error) => {
      throw new TypeError(
        `Cannot encode a text as ${path} must have an id for each of its parts: current value is ` +
          `refused with '${error.message}'. Name as unk_token one that it has`,
        { cause: error },
      );
    });
    return encodings.map((encoding) => encoding.getIds());
  };
  return {
    padTokenId: pad === undefined ? padTokenId : native.tokenToId(pad) ?? padTokenId,
    ...unknown !== undefined && { unkTokenId: unknown },
    maxLength,
    files: paths.filter((_, i) => present[i]),
    async encode(texts) {
      checkEach("encode", "texts", texts, (text) => typeof text === "string");
      const heads = texts.map((text) => cut(text, maxLength));
      const ids = await encodeWhole(heads);
      for (const [i, text] of texts.entries()) {
        const tooFew = ids[i]!.length < maxLength && heads[i]!.length < text.length;
        if (tooFew) [ids[i] = []] = await encodeWhole([text]);
      }
      return ids;
    },
    async decode(ids) {
      checkEach("decode", "ids, whole numbers from 0", ids, (id) => Number(id) >>> 0 === id);
      return cleanUp(await native.decode(ids, true));
    },
  };
}

/** Refuses what native code would convert in silence, or in words that name no argument. */
function checkEach(
  task: string,
  what: string,
  values: unknown,
  holds: (value: unknown) => boolean,
) {
  const list = Array.isArray(values) ? values : undefined;
  const at = list?.findIndex((value) => !holds(value)) ?? 0;
  if (at < 0) return;
  throw new TypeError(
    `Cannot ${task} as the argument must be a list of ${what}: current value` +
      (list
        ? ` at ${at} (the first is 0) is ${Deno.inspect(list[at])}`
        : ` is ${Deno.inspect(values)}`),
  );
}

/** The padding id and the number of positions of a model, by Transformers' defaults where `config.json` lacks them. */
function limits({ model_type, pad_token_id, max_position_embeddings }: Json, fewest: number) {
  // RoBERTa's positions start after the padding's: two of its 514 are never used.
  const isRoberta = /roberta$/.test(String(model_type));
  const padTokenId = pad_token_id ?? (isRoberta ? 1 : 0);
  const isWhole = (value: unknown, from: number) =>
    Number.isInteger(value) && Number(value) >= from;
  if (!isWhole(padTokenId, 0)) {
    refuse("pad_token_id", "config.json", "a whole number from 0", padTokenId);
  }
  const reserved = isRoberta ? Number(padTokenId) + 1 : 0;
  const positions = max_position_embeddings ?? 512;
  if (!isWhole(positions, reserved + fewest)) {
    const expected = `a whole number from ${reserved + fewest}`;
    refuse("max_position_embeddings", "config.json", expected, positions);
  }
  return { padTokenId: Number(padTokenId), positions: Number(positions) - reserved };
}

/** Where a long text is cut: at the side that tokenizer_config.json names, or else tokenizer.json. */
function truncationSide({ settings, tokenizer }: TokenizerFiles): "left" | "right" {
  const { direction } = isObject(tokenizer.truncation) ? tokenizer.truncation : {};
  const side = settings.truncation_side ?? String(direction ?? "right").toLowerCase();
  return side === "left" ? "left" : "right";
}

/** Refuses token types other than 0 where the model would be given them, as it is not here. */
async function checkTypes(native: NativeTokenizer, { model_input_names: names }: Json) {
  if (!Array.isArray(names) || !names.includes("token_type_ids")) return;
  const types = (await native.encode("a")).getTypeIds();
  if (types.every((type) => type === 0)) return;
  const remedy = "Give all tokens of a single text type 0";
  refuse("post_processor", "tokenizer.json", "one whose token types are 0", types, remedy);
}

const EVEN_BPE = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output";

/** As `clean_up_tokenization` of Transformers. */
const withoutSpaces = (text: string) =>
  [" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"]
    .reduce((text, spaced) => text.replaceAll(spaced, spaced.trim()), text);

/**
 * The beginning of a long text, up to a space: words are tokenized one by one, so its tokens are those
 * that the text begins with. At 20 characters a token it nearly always has more than are kept.
 *
 * The space is a single one between letters with case, or digits: no added token strips or holds it, no accent joins it,
 * and no expression looks across it.
 */
function head(text: string, maxLength: number): string {
  const most = 20 * maxLength;
  if (text.length <= most) return text;
  for (let end = most; (end = text.lastIndexOf(" ", end)) > 0; end--) {
    if (BETWEEN_WORDS.test(text.slice(end - 1, end + 2))) return text.slice(0, end);
  }
  return text;
}

const BETWEEN_WORDS = /^[\p{Lu}\p{Ll}\p{Nd}] [\p{Lu}\p{Ll}\p{Nd}]$/u;
