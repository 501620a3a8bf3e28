import pl, { type DataFrame } from "nodejs-polars";
import type { Examples } from "../batches.ts";
import type { Dataset } from "../dataset/dataset.ts";
import { openDataset, saveDataset } from "../dataset/files.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Texts encoded in one call: more would hold all of their offsets and masks in memory at once. */
const CHUNK = 1000;

/**
 * Adds the column input_ids (list of Int32, without padding) to a frame with a column text.
 *
 * @param onProgress told the rows done and their total; @default no report
 */
export async function tokenize(
  frame: DataFrame,
  tokenizer: Tokenizer,
  onProgress?: (rows: number, total: number) => void,
): Promise<DataFrame> {
  const texts = frame.getColumn("text").toArray() as string[];
  const inputIds: number[][] = [];
  for (let start = 0; start < texts.length; start += CHUNK) {
    inputIds.push(...await tokenizer.encode(texts.slice(start, start + CHUNK)));
    onProgress?.(inputIds.length, texts.length);
  }
  return frame.withColumns(pl.Series("input_ids", inputIds, pl.List(pl.Int32)));
}

/** The tokens and classes of a frame from {@link tokenize}, as the trainer takes them. */
export function examples(frame: DataFrame): Examples {
  return {
    inputIds: frame.getColumn("input_ids").toArray() as unknown as number[][],
    labels: frame.getColumn("label").toArray() as number[],
  };
}

/** Writes a data set whose parts were tokenized, as {@link saveDataset} does. */
export function saveTokens(tokens: Dataset, folder: string): Promise<void> {
  return saveDataset(tokens, folder);
}

/**
 * Reads what {@link saveTokens} wrote.
 *
 * @throws Error that names the notebook to run when a file is missing.
 */
export function openTokens(folder: string): Promise<Dataset> {
  return openDataset(folder, "02-tokenize");
}
