/**
 * The operations and bytes of a step, the limits they imply on this machine, and what the profile `seed` would take.
 * Prints the tables of README.md:
 *
 *     deno run -A bench/limits.ts
 *
 * @module
 */
import pl from "nodejs-polars";
import {
  byLength,
  collate,
  examples,
  loadTokenizer,
  openDevice,
  tokenize,
} from "lightweight-finetuning";
import { readConfig } from "../lib/model/config.ts";
import { bytesMoved, operations, type Step, stepProducts } from "./operations.ts";
import { product } from "./ours.ts";
import { FOLDER, prepare } from "./prepare.ts";

// What trainableParameters() counts with four classes and r = 8.
const TRAINED = {
  minilm: { lora: 75_268, full: 22_714_756 },
  roberta: { lora: 888_580, full: 124_648_708 },
};
// NVIDIA H100 Tensor Core GPU, data sheet, SXM, without sparsity: operations a second of FP32 and TF32, bytes a second.
const H100 = { FP32: 67e12, TF32: 494.7e12, bytes: 3.35e12 };

await prepare();
const peak = await product();
const [perSecond, bytesPerSecond] = [peak.gflops * 1e9, peak.gigabytes * 1e9];
console.log(`${await openDevice()}`);
console.log(`${peak.gflops.toFixed(0)} GFLOP/s, ${peak.gigabytes.toFixed(1)} GB/s\n`);

row("step", "batch", "GFLOP", "of all tokens", "GB", "products alone", "bytes alone", "limit");
row(..."--------".split("").map(() => "---"));
for (const model of ["minilm", "roberta"] as const) {
  const shape = await readConfig(`${FOLDER}/${model}`);
  for (const way of ["lora", "full"] as const) {
    for (const length of [64, 128]) {
      const step: Step = { way, size: 16, length };
      const products = stepProducts(shape, step);
      const [count, bytes] = [operations(products), bytesMoved(products, TRAINED[model][way])];
      const all = operations(stepProducts(shape, { ...step, lastLayer: "all" }));
      const seconds = Math.max(count / perSecond, bytes / bytesPerSecond);
      row(
        `${model}, ${way}`,
        `16 × ${length}`,
        (count / 1e9).toFixed(1),
        (all / 1e9).toFixed(1),
        (bytes / 1e9).toFixed(2),
        milliseconds(count / perSecond),
        milliseconds(bytes / bytesPerSecond),
        `${(16 / seconds).toFixed(1)} samples/s`,
      );
    }
  }
}

const ROWS = 120_000;
const tokenizer = await loadTokenizer(`${FOLDER}/roberta`);
const frame = pl.readParquet(`${FOLDER}/train.parquet`).head(16_000);
const tokens = examples(await tokenize(frame, tokenizer));
const padded = (order: number[], size: number) => {
  let sum = 0;
  for (let i = 0; i < order.length; i += size) {
    sum += collate(tokens, order.slice(i, i + size), tokenizer.padTokenId).inputIds.length;
  }
  return sum / order.length;
};
const order = tokens.inputIds.map((_, i) => i);
const shape = await readConfig(`${FOLDER}/roberta`);
console.log("");
row(
  "padding",
  "tokens a row",
  "way",
  "PFLOP",
  "this CPU",
  "at 60 %",
  "H100, FP32",
  "H100, TF32",
  "H100, bytes",
);
row(..."---------".split("").map(() => "---"));
for (
  const [padding, length] of [
    ["none", padded(order, 1)],
    ["batches of like length", padded(byLength(tokens), 16)],
    ["each batch of 16", padded(order, 16)],
    ["each 1,000 rows", padded(order, 1000)],
  ] as const
) {
  for (const way of ["lora", "full"] as const) {
    const products = stepProducts(shape, { way, size: 16, length });
    const steps = ROWS / 16;
    const count = steps * operations(products);
    row(
      padding,
      length.toFixed(1),
      way,
      (count / 1e15).toFixed(2),
      `${(count / perSecond / 3600).toFixed(1)} h`,
      `${(count / perSecond / 0.6 / 3600).toFixed(1)} h`,
      `${(count / H100.FP32).toFixed(0)} s`,
      `${(count / H100.TF32).toFixed(0)} s`,
      `${(steps * bytesMoved(products, TRAINED.roberta[way]) / H100.bytes).toFixed(0)} s`,
    );
  }
}

function row(...cells: string[]) {
  console.log(`| ${cells.join(" | ")} |`);
}

function milliseconds(seconds: number) {
  return `${(1000 * seconds).toFixed(0)} ms`;
}
