import { fileURLToPath } from "node:url";
import type { Batch } from "lightweight-finetuning";
import { readSafetensors, type StoredTensor } from "lightweight-finetuning";

/** The tiny models that test/fixtures/make.py wrote, with what Transformers and peft computed on them. */
export const KINDS = ["bert", "roberta", "xlm-roberta", "distilbert", "electra"] as const;

export const fixture = (path: string) =>
  fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

export interface Reference {
  folder: string;
  numbers(name: string): Float32Array;
  /** The tensors whose names begin so, under the rest of their names. */
  group(prefix: string): Map<string, Float32Array>;
  /** A stored batch: "" is the one of the logits, "batch.3." one of the training steps. */
  batch(prefix?: string): Batch;
}

export const readReference = (kind: string) => readExpected(fixture(kind));

/** What a folder's expected.safetensors holds. */
export async function readExpected(folder: string): Promise<Reference> {
  const tensors = await readSafetensors(`${folder}/expected.safetensors`);
  const get = (name: string): StoredTensor => {
    const tensor = tensors.get(name);
    if (!tensor) throw new RangeError(`Cannot find '${name}' in ${folder}/expected.safetensors`);
    return tensor;
  };
  const numbers = (name: string) => get(name).data as Float32Array;
  return {
    folder,
    numbers,
    group: (prefix) =>
      new Map(
        [...tensors.keys()].filter((name) => name.startsWith(prefix))
          .map((name) => [name.slice(prefix.length), numbers(name)]),
      ),
    batch(prefix = "") {
      const { shape: [size = 0, length = 0], data } = get(`${prefix}input_ids`);
      return {
        inputIds: data as Int32Array,
        attentionMask: get(`${prefix}attention_mask`).data as Int32Array,
        labels: get(`${prefix}labels`).data as Int32Array,
        rows: Array.from({ length: size }, (_, row) => row),
        size,
        length,
      };
    },
  };
}
