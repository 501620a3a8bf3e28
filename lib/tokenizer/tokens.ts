import type { DataFrame } from "nodejs-polars";
import type { Examples } from "../batches.ts";
import { series, textColumn } from "../dataset/rows.ts";
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
  const { height } = frame;
  const { default: pl } = await import("nodejs-polars");
  const column = (ids: number[][]) => pl.Series("input_ids", ids, pl.List(pl.Int32));
  const columns = [column([[]]).head(0)]; // polars makes none of no rows
  const loss = lossOf(tokenizer);
  using stop = stopPoint("tokenizing");
  const next: string[] = [];
  for (let done = 0; done < height;) {
    next.push(...texts(done + next.length, Math.min(done + LIMITS.rows, height)));
    let [count, characters] = [0, 0];
    while (count < next.length && characters < LIMITS.characters) {
      characters += next[count++]!.length;
    }
    const ids = await tokenizer.encode(next.splice(0, count));
    loss.add(ids);
    columns.push(column(ids));
    done += count;
    onProgress?.(done, height);
    if (done < height) await stop.pass(`after ${done} of ${height} texts`);
  }
  warnOfLoss(loss.shares(), tokenizer);
  return frame.withColumns(pl.concat(columns));
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
  const loss = lossOf(tokenizer);
  loss.add(idsOf(frame));
  return loss.shares();
}

type Loss = ReturnType<typeof tokenLoss>;

function lossOf({ unkTokenId, maxLength }: Tokenizer) {
  let [rows, tokens, unknown, full] = [0, 0, 0, 0];
  return {
    add(inputIds: ArrayLike<number>[]) {
      rows += inputIds.length;
      for (const ids of inputIds) {
        tokens += ids.length;
        for (let i = 0; i < ids.length; i++) if (ids[i] === unkTokenId) unknown++;
        if (ids.length >= maxLength) full++;
      }
    },
    shares: (): Loss => ({
      unknownTokens: unknown / (tokens || 1),
      fullTexts: full / (rows || 1),
    }),
  };
}

function warnOfLoss({ unknownTokens, fullTexts }: Loss, tokenizer: Tokenizer) {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
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

/**
 * The tokens and classes of a frame from {@link tokenize}, as the trainer takes them. The ids of all rows are in one
 * Int32Array, of which each row is a view.
 */
export function examples(frame: DataFrame): Examples {
  return {
    inputIds: idsOf(frame),
    labels: series(frame, "label", "the tokens").toArray() as unknown as number[],
  };
}

/** What polars calls the type of the column that {@link tokenize} adds. */
const LISTS = "DataType(List(DataType(Int32)))";

function idsOf(frame: DataFrame): ArrayLike<number>[] {
  const lists = series(frame, "input_ids", "the tokens");
  const rows: Int32Array[] = [];
  if (String(lists.dtype) === LISTS && !lists.hasNulls()) {
    const ids = lists.explode().dropNulls().toTypedArray() as Int32Array; // of an empty list comes a null
    let end = 0;
    for (const length of lists.list.lengths().toTypedArray()) {
      rows.push(ids.subarray(end, end += length));
    }
    if (end === ids.length) return rows; // else there is a null among the ids
  }
  return lists.toArray() as unknown as number[][];
}
