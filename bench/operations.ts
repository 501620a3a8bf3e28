import type { ModelConfig } from "lightweight-finetuning";

/** What the products of a step depend on. */
export type Shape = Pick<
  ModelConfig,
  "modelType" | "hiddenSize" | "numHiddenLayers" | "numAttentionHeads" | "intermediateSize"
>;

/** One matrix product, [m, k] × [k, n], done `count` times. */
export interface Product {
  name: string;
  count: number;
  m: number;
  k: number;
  n: number;
}

/** A training step: `size` rows of `length` tokens, all weights or LoRA of `rank` on query and value. */
export interface Step {
  way: "full" | "lora";
  size: number;
  length: number;
  /** @default {8} */
  rank?: number;
  /** @default {4} */
  classes?: number;
  /** Of which tokens the last layer has queries and a feed-forward; the head reads the first alone. @default {"first"} */
  lastLayer?: "first" | "all";
}

/**
 * The matrix products that a step's result needs: forward, then the gradients of what is trained and of all that leads
 * to it. A frozen weight has no gradient, and nothing below the first adapter has one.
 */
export function stepProducts(shape: Shape, step: Step): Product[] {
  const { hiddenSize: H, intermediateSize: I, numAttentionHeads: A, numHiddenLayers } = shape;
  const { way, size: B, length: T, rank = 8, classes = 4, lastLayer = "first" } = step;
  const full = way === "full";
  const products: Product[] = [];
  const add = (name: string, m: number, k: number, n: number, count = 1) =>
    products.push({ name, count, m, k, n });

  /** [rows, in] → [rows, out], its weight's gradient if trained, its input's if something below is trained. */
  function linear(
    name: string,
    rows: number,
    input: number,
    output: number,
    trained: boolean,
    below = true,
  ) {
    add(name, rows, input, output);
    if (trained) add(`${name}, gradient of the weight`, output, rows, input);
    if (below) add(`${name}, gradient of the input`, rows, output, input);
  }

  for (let i = 0; i < numHiddenLayers; i++) {
    const below = full || i > 0;
    const queries = i === numHiddenLayers - 1 && lastLayer === "first" ? 1 : T;
    linear("query", B * queries, H, H, full, below);
    linear("key", B * T, H, H, full, below);
    linear("value", B * T, H, H, full, below);
    for (const rows of full ? [] : [B * queries, B * T]) {
      linear("LoRA A", rows, H, rank, true, below);
      linear("LoRA B", rows, rank, H, true);
    }
    const D = H / A;
    add("scores", queries, D, T, B * A);
    add("context", queries, T, D, B * A);
    add("gradient of the probabilities", queries, D, T, B * A);
    add("gradient of the values", T, queries, D, B * A);
    add("gradient of the queries", queries, T, D, B * A);
    if (below) add("gradient of the keys", T, queries, D, B * A);
    linear("attention's output", B * queries, H, H, full);
    linear("feed-forward, up", B * queries, H, I, full);
    linear("feed-forward, down", B * queries, I, H, full);
  }
  linear("head's dense layer", B, H, H, full || shape.modelType.endsWith("roberta"));
  linear("classifier", B, H, classes, true);
  return products;
}

/** Floating-point operations: 2·m·k·n a product. What is done to single numbers is not counted. */
export const operations = (products: Product[]): number =>
  products.reduce((sum, { count, m, k, n }) => sum + 2 * count * m * k * n, 0);

/**
 * Bytes that must move even if everything else were done on the way: each product reads its two matrices and writes
 * one, and AdamW reads weight, gradient and two moments and writes all but the gradient, each in 4 bytes.
 */
export function bytesMoved(products: Product[], trainedWeights: number): number {
  const numbers = products.reduce(
    (sum, { count, m, k, n }) => sum + count * (m * k + k * n + m * n),
    0,
  );
  return 4 * (numbers + 7 * trainedWeights);
}
