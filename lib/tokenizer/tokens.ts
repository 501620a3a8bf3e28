import type { DataFrame } from "nodejs-polars";
import type { Examples } from "../batches.ts";
import { column, textColumn } from "../dataset/rows.ts";
import { stopPoint } from "../interrupt.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Limits of the texts encoded in one call, as it holds all of their offsets and masks in memory at once. */
const LIMITS = { rows: 1000, characters: 1_000_000 };

/** The share of unknown tokens, and that of cut texts, above which a model sees too little. */
const FEW = 0.02;

/**
 * Adds the column input_ids (list of Int32, without padding) to a frame with a column text. `console.warn`
 * says if more than 2 % of the tokens are unknown to the tokenizer, or of the texts as long as the model's limit, where
 * longer ones are cut.
 *
 * @param onProgress Called with the number of rows done and their total. @default {no report}
 * @throws {TypeError} When there is no column text, or it holds anything but strings.
 * @throws {RangeError} When a cell is empty.
 * @throws {Error} At Stop (SIGINT).
 */
export async function tokenize(
  frame: DataFrame,
  tokenizer: Tokenizer,
  onProgress?: (rows: number, total: number) => void,
): Promise<DataFrame> {
  const texts = textColumn(frame, "the rows to tokenize");
  const inputIds: number[][] = [];
  using stop = stopPoint("tokenizing");
  while (inputIds.length < texts.length) {
    const start = inputIds.length;
    let [end, characters] = [start, 0];
    while (end < texts.length && end < start + LIMITS.rows && characters < LIMITS.characters) {
      characters += texts[end++]!.length;
    }
    inputIds.push(...await tokenizer.encode(texts.slice(start, end)));
    onProgress?.(inputIds.length, texts.length);
    if (end < texts.length) await stop.pass(`after ${end} of ${texts.length} texts`);
  }
  warnOfLoss(inputIds, tokenizer);
  const { default: pl } = await import("nodejs-polars");
  return frame.withColumns(pl.Series("input_ids", inputIds, pl.List(pl.Int32)));
}

/**
 * What of its texts a model will not see.
 *
 * @param frame From {@link tokenize}.
 * @param tokenizer The same.
 * @returns The share of tokens that are unknown, and that of texts that have as many tokens as the model can take, where
 * longer ones are cut; 0 to 1.
 *
 * @example
 * ```ts ignore
 * import { loadTokenizer, openDataset, tokenLoss } from "lightweight-finetuning";
 * const { train } = await openDataset("runs/sample/tokens");
 * console.log(tokenLoss(train, await loadTokenizer("FacebookAI/roberta-base")));
 * ```
 */
export function tokenLoss(
  frame: DataFrame,
  tokenizer: Tokenizer,
): { unknownTokens: number; fullTexts: number } {
  return lossOf(column(frame, "input_ids", "the tokens") as number[][], tokenizer);
}

function lossOf(inputIds: number[][], { unkTokenId, maxLength }: Tokenizer) {
  let [tokens, unknown, full] = [0, 0, 0];
  for (const ids of inputIds) {
    tokens += ids.length;
    for (const id of ids) if (id === unkTokenId) unknown++;
    if (ids.length >= maxLength) full++;
  }
  return { unknownTokens: unknown / (tokens || 1), fullTexts: full / (inputIds.length || 1) };
}

function warnOfLoss(inputIds: number[][], tokenizer: Tokenizer) {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const { unknownTokens, fullTexts } = lossOf(inputIds, tokenizer);
  if (unknownTokens > FEW) {
    console.warn(
      `${
        percent(unknownTokens)
      } of the tokens are unknown to the tokenizer, so the model cannot see ` +
        "what they stand for. Choose a model that knows the texts' language and signs",
    );
  }
  if (fullTexts > FEW) {
    console.warn(
      `${
        percent(fullTexts)
      } of the texts have ${tokenizer.maxLength} tokens or more, and the model sees only so ` +
        "many of each. Put first what decides about the class, split the texts, or choose a model for longer ones",
    );
  }
}

/** The tokens and classes of a frame from {@link tokenize}, as the trainer takes them. */
export function examples(frame: DataFrame): Examples {
  return {
    inputIds: column(frame, "input_ids", "the tokens") as number[][],
    labels: column(frame, "label", "the tokens") as number[],
  };
}
