import assert from "node:assert/strict";
import { bytesMoved, operations, type Shape, stepProducts } from "../../bench/operations.ts";

const minilm: Shape = {
  modelType: "bert",
  hiddenSize: 384,
  numHiddenLayers: 6,
  numAttentionHeads: 12,
  intermediateSize: 1536,
};
const roberta: Shape = {
  modelType: "roberta",
  hiddenSize: 768,
  numHiddenLayers: 12,
  numAttentionHeads: 12,
  intermediateSize: 3072,
};

// What `bench/reference.py count` prints for the batch of 16 rows of 64 tokens: torch 2.13.0, transformers 5.23.0, peft
// 0.21.2.
const COUNTED: [shape: Shape, way: "full" | "lora", count: number][] = [
  [minilm, "full", 67_056_058_368],
  [minilm, "lora", 44_792_168_448],
  [roberta, "full", 529_143_201_792],
  [roberta, "lora", 353_259_257_856],
];

Deno.test("operations() counts what PyTorch's counter counts", () => {
  for (const [shape, way, count] of COUNTED) {
    const products = stepProducts(shape, { way, size: 16, length: 64, lastLayer: "all" });
    assert.equal(operations(products), count, `${shape.modelType}, ${way}`);
  }
});

Deno.test("stepProducts() leaves out what no first token needs of the last layer", () => {
  const step = { way: "full", size: 2, length: 5 } as const;
  const count = (lastLayer: "first" | "all") =>
    operations(stepProducts(minilm, { ...step, lastLayer }));
  // Of 4 tokens: forward and twice backward of query, output (H²), both feed-forwards (H·I), scores and context (T·H).
  const perToken = 2 * 384 * (2 * 384 + 2 * 1536 + 2 * 5);
  assert.equal(count("all") - count("first"), 3 * 2 * 4 * perToken);
});

Deno.test("bytesMoved() has every product read two matrices and write one, and AdamW's seven", () => {
  const products = [{ name: "x", count: 2, m: 3, k: 4, n: 5 }];
  assert.equal(bytesMoved(products, 10), 4 * (2 * (12 + 20 + 15) + 70));
});
