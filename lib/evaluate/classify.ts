import type { TextModel } from "../model/classifier.ts";
import { checkOptions } from "../options.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { evaluate } from "./evaluate.ts";

/** A class of a text, and its probability. */
export interface Classification {
  /** Name of the class. */
  label: string;
  /** Between 0 and 1. */
  score: number;
}

/** Options of {@link classify}. */
export interface ClassifyOptions {
  /** How many classes to return for each text, the most likely first; Infinity returns all. @default {only the best} */
  topK?: number;
  /** Texts of a batch. @default {32} */
  batchSize?: number;
  /** Compute products in bfloat16 with sums in float32. @default {false} */
  bf16?: boolean;
}

const OPTIONS: Record<keyof ClassifyOptions, true> = { topK: true, batchSize: true, bf16: true };

/**
 * Classifies texts, as Transformers' text-classification pipeline does: the most likely class of each or, with `topK`,
 * a list of the most likely.
 *
 * @throws {TypeError} When an option is unknown.
 * @throws {RangeError} When `topK` is not a whole number above 0.
 *
 * @example
 * ```ts ignore
 * import { classify, loadClassifier, loadTokenizer } from "lightweight-finetuning";
 * const folder = "runs/sample/full/model";
 * const [model, tokenizer] = [await loadClassifier(folder), await loadTokenizer(folder)];
 * await classify(model, tokenizer, ["Rates rise again"]); // [{ label: "Business", score: 0.97 }]
 * await classify(model, tokenizer, ["Rates rise again"], { topK: 2 }); // [[{ … }, { … }]]
 * ```
 */
export async function classify(
  model: TextModel,
  tokenizer: Tokenizer,
  texts: string[],
  options?: Omit<ClassifyOptions, "topK">,
): Promise<Classification[]>;
/** Returns the `topK` most likely classes of each text. */
export async function classify(
  model: TextModel,
  tokenizer: Tokenizer,
  texts: string[],
  options: ClassifyOptions & { topK: number },
): Promise<Classification[][]>;
export async function classify(
  model: TextModel,
  tokenizer: Tokenizer,
  texts: string[],
  options: ClassifyOptions = {},
): Promise<Classification[] | Classification[][]> {
  checkOptions("classify", options, OPTIONS);
  const { topK, batchSize = 32, bf16 = false } = options;
  if (topK !== undefined && !(topK === Infinity || Number.isInteger(topK) && topK > 0)) {
    throw new RangeError(
      `Cannot classify as 'topK' must be a whole number above 0 or Infinity: current value is ${topK}`,
    );
  }
  if (!texts.length) return [];
  const rows = { inputIds: await tokenizer.encode(texts), labels: texts.map(() => 0) };
  const { logits } = await evaluate(model, rows, { batchSize, bf16 });
  const { labels } = model;
  const ranked = texts.map((_, row) => {
    const scores = softmax(logits.subarray(row * labels.length, (row + 1) * labels.length));
    return labels.map((label, i) => ({ label, score: scores[i]! }))
      .sort((a, b) => b.score - a.score);
  });
  return topK === undefined
    ? ranked.map(([best]) => best!)
    : ranked.map((all) => all.slice(0, topK));
}

function softmax(logits: Float32Array): number[] {
  const largest = Math.max(...logits);
  const exponentials = Array.from(logits, (x) => Math.exp(x - largest));
  const sum = exponentials.reduce((a, b) => a + b);
  return exponentials.map((x) => x / sum);
}
