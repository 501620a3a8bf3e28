import type { TextModel } from "../model/classifier.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { evaluate } from "./evaluate.ts";

/** The most likely class of a text, and its probability. */
export interface Classification {
  label: string;
  score: number;
}

/**
 * Classifies texts, as Transformers' text-classification pipeline does.
 *
 * @example
 * ```ts ignore
 * await classify(model, tokenizer, labels, ["Rates rise again"]); // [{ label: "Business", score: 0.97 }]
 * ```
 */
export async function classify(
  model: TextModel,
  tokenizer: Tokenizer,
  labels: string[],
  texts: string[],
): Promise<Classification[]> {
  const inputIds = await tokenizer.encode(texts);
  const { logits, predictions } = await evaluate(model, { inputIds, labels: texts.map(() => 0) });
  return Array.from(predictions, (best, row) => {
    const scores = logits.subarray(row * labels.length, (row + 1) * labels.length);
    const total = scores.reduce((sum, score) => sum + Math.exp(score - scores[best]!), 0);
    return { label: labels[best]!, score: 1 / total };
  });
}
