import type { Variable } from "@tensorflow/tfjs-core";

/** How much of a model is trained. */
export interface ParameterCount {
  /** Parameters that training changes. */
  trainable: number;
  /** All parameters. */
  all: number;
  /** The line that peft's `print_trainable_parameters` prints. */
  toString(): string;
}

/**
 * Counts parameters. As in peft, a four-bit weight counts in full and its scales do not; for an adapter, `all` counts
 * modules trained in full twice, as peft keeps their originals.
 */
export function trainableParameters(
  { parameters }: { parameters: Map<string, Variable> },
): ParameterCount {
  const sum = (entries: [string, Variable][]) =>
    entries.reduce((total, entry) => total + numbersOf(...entry), 0);
  const entries = [...parameters];
  const trainable = sum(entries.filter(([, variable]) => variable.trainable));
  const all = sum(entries);
  const group = (count: number) => count.toLocaleString("en-US");
  const percent = (100 * trainable / all).toFixed(4);
  const text = `trainable params: ${group(trainable)} || all params: ${group(all)} || ` +
    `trainable%: ${percent}`;
  return { trainable, all, toString: () => text };
}

/**
 * Bytes that a model's weights take on the device, an adapter's and the scales of 4-bit weights included.
 *
 * @see `get_memory_footprint` of Transformers, which leaves those scales out
 *
 * @example
 * ```ts ignore
 * import { loadClassifier, memoryFootprint } from "lightweight-finetuning";
 * const model = await loadClassifier("runs/base", { loadIn4bit: true });
 * console.log(memoryFootprint(model) / 2 ** 20, "MiB");
 * ```
 */
export function memoryFootprint({ parameters }: { parameters: Map<string, Variable> }): number {
  // Floats, and the int32 that 4-bit weights are packed into.
  return [...parameters.values()].reduce((bytes, { size }) => bytes + 4 * size, 0);
}

/** How many numbers a variable stands for: a 4-bit weight has eight in an int32, its scales count as none. */
export const numbersOf = (name: string, { size, dtype }: Variable) =>
  /\.(nested_)?absmax$/.test(name) ? 0 : dtype === "int32" ? 8 * size : size;
