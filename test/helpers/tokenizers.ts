import reference from "../fixtures/tokenizer/classes.json" with { type: "json" };

/** A case of test/fixtures/tokenizer/classes.json, made by test/fixtures/tokenizer.py. */
export interface TokenizerCase {
  tokenizer: keyof typeof reference.tokenizers;
  settings: Record<string, unknown>;
  map?: object;
  added?: object;
  config?: object;
  patch?: object;
  ids?: string;
  pad?: number | null;
  decoded?: string;
  error?: string;
}

const MODEL_TYPES = { wordpiece: "bert", byteLevel: "roberta", unigram: "xlm-roberta" };

/** Writes the files of a case into a folder that goes away with its scope. */
export async function tokenizerFolder(
  { tokenizer, settings, map, added, patch, config }: TokenizerCase,
  dir?: string,
) {
  const path = await Deno.makeTempDir({ ...dir && { dir } });
  const hasLimit = "max_len" in settings && !("model_max_length" in settings);
  const files = {
    "tokenizer.json": { ...reference.tokenizers[tokenizer], ...patch },
    "tokenizer_config.json": { ...!hasLimit && { model_max_length: 16 }, ...settings },
    "config.json": config ?? { model_type: MODEL_TYPES[tokenizer] },
    "special_tokens_map.json": map,
    "added_tokens.json": added,
  };
  for (const [name, content] of Object.entries(files)) {
    if (content) await Deno.writeTextFile(`${path}/${name}`, JSON.stringify(content));
  }
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
