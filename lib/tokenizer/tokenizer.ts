import { join, resolve } from "node:path";
import { isFile } from "../files.ts";
import { findFolder, REPOSITORY_OPTIONS, type RepositoryOptions } from "../hub/folder.ts";
import { TOKENIZER, TOKENIZER_FILES } from "../hub/model.ts";
import { checkOptions } from "../options.ts";

/** Turns texts into token ids as the model's authors did. */
export interface Tokenizer {
  /** The id that fills a batch's shorter rows. */
  padTokenId: number;
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
 * Opens the tokenizer of a model's folder with Hugging Face's own `tokenizers`.
 *
 * @param folderOrName A folder with `tokenizer.json` and `config.json`, or `organisation/name` of the Hub.
 * @throws {TypeError} When an option is unknown, a file is missing, or `config.json` lacks a number.
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
  const config = await readJson(join(folder, "config.json"));
  const { model_max_length = Infinity } = await readJson(join(folder, "tokenizer_config.json"));
  const padTokenId = config.pad_token_id;
  const positions = config.max_position_embeddings;
  for (const [name, value] of Object.entries({ pad_token_id: padTokenId, positions })) {
    if (Number.isInteger(value)) continue;
    throw new TypeError(
      `Cannot load a tokenizer as '${name}' in config.json must be a whole number: current value` +
        ` is ${value}. Download the model again`,
    );
  }
  // RoBERTa's positions start after the padding's: two of its 514 are never used.
  const reserved = /roberta$/.test(config.model_type) ? padTokenId + 1 : 0;
  const maxLength = Math.min(model_max_length, positions - reserved);

  const { Tokenizer: NativeTokenizer } = await import("tokenizers");
  const native = NativeTokenizer.fromFile(join(folder, "tokenizer.json"));
  native.disablePadding();
  native.setTruncation(maxLength);
  const files = TOKENIZER_FILES.map((file) => resolve(folder, file));
  const present = await Promise.all(files.map(isFile));
  const encodeWhole = async (texts: string[]) =>
    (await native.encodeBatch(texts)).map((encoding) => encoding.getIds());
  return {
    padTokenId,
    maxLength,
    files: files.filter((_, i) => present[i]),
    async encode(texts) {
      const heads = texts.map((text) => head(text, maxLength));
      const ids = await encodeWhole(heads);
      for (const [i, text] of texts.entries()) {
        const tooFew = ids[i]!.length < maxLength && heads[i]!.length < text.length;
        if (tooFew) [ids[i] = []] = await encodeWhole([text]);
      }
      return ids;
    },
    decode: (ids) => native.decode(ids, true),
  };
}

/**
 * The beginning of a long text, up to a space: words are tokenized one by one, so its tokens are those
 * that the text begins with. At 20 characters a token it nearly always has more than are kept.
 */
function head(text: string, maxLength: number): string {
  const most = 20 * maxLength;
  const end = text.lastIndexOf(" ", most);
  return text.length > most && end > 0 ? text.slice(0, end) : text;
}

async function readJson(path: string) {
  return await isFile(path) ? JSON.parse(await Deno.readTextFile(path)) : {};
}
