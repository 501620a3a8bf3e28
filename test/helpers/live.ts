import { ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import {
  type Batch,
  collate,
  createRandom,
  type ModelConfig,
  readSafetensors,
  type StoredTensor,
  type TextModel,
  writeSafetensors,
} from "lightweight-finetuning";
import { normal } from "./noise.ts";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PYTHON = Deno.env.get("PARITY_PYTHON") ?? `${ROOT}.venv-parity/bin/python`;
const MISSING = await Deno.stat(PYTHON).then(
  () => "",
  () => ` (ignored: no ${PYTHON}; 'make parity' makes it)`,
);

/** A test against the reference implementations, skipped where they are not installed. */
export function parity(name: string, compare: (folder: string) => Promise<void>) {
  Deno.test({
    name: name + MISSING,
    ignore: MISSING !== "",
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        await compare(folder);
      } finally {
        await Deno.remove(folder, { recursive: true });
        tf.disposeVariables();
      }
    },
  });
}

/** Runs a script of test/parity. */
export async function python(script: string, ...args: string[]): Promise<void> {
  await output(script, ...args);
}

/** Runs a script of test/parity, and returns what it prints. */
export async function output(script: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(PYTHON, {
    args: [`${ROOT}test/parity/${script}`, ...args],
    env: { HF_HUB_OFFLINE: "1" },
    stdin: "null",
  }).output();
  ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

export const report = (what: string, difference: number) =>
  console.log(`${what}: largest difference ${difference.toExponential(1)}`);

export function logitsOf(model: TextModel, batch: Batch): Float32Array {
  return tf.tidy(() => model.forward(batch).dataSync<"float32">());
}

/** Adds noise to all that is trained, so that what was not saved, or not loaded, shows. */
export function shake(model: TextModel) {
  const random = createRandom(1);
  for (const variable of model.parameters.values()) {
    if (!variable.trainable) continue;
    const noise = () => tf.mul(normal(random, variable.shape), 0.02);
    tf.tidy(() => variable.assign(tf.add(variable, noise())));
  }
}

/** Rows of several lengths; their ids are no padding. */
export function paddedBatch({ vocabSize, padTokenId }: ModelConfig): Batch {
  const inputIds = [2, 31, 9, 17].map((length, row) =>
    Array.from({ length }, (_, i) => 2 + (row * 7919 + i * 104729) % (vocabSize - 2))
  );
  return collate({ inputIds, labels: [0, 0, 0, 0] }, [0, 1, 2, 3], padTokenId);
}

/** Makes a folder with the batch on which Python is to compute the logits of what else comes there. */
export async function writeBatch(folder: string, batch: Batch) {
  const { inputIds, attentionMask, labels, size, length } = batch;
  const tensor = (data: Int32Array, shape = [size, length]): StoredTensor => ({
    dtype: "I32",
    shape,
    data,
  });
  await Deno.mkdir(folder);
  await writeSafetensors(
    `${folder}/batch.safetensors`,
    new Map([
      ["input_ids", tensor(inputIds)],
      ["attention_mask", tensor(attentionMask)],
      ["labels", tensor(labels, [size])],
    ]),
  );
}

/** What Python wrote into logits.safetensors of a folder. */
export async function theirLogits(folder: string): Promise<Map<string, Float32Array>> {
  const tensors = await readSafetensors(`${folder}/logits.safetensors`);
  return new Map([...tensors].map(([name, { data }]) => [name, data as Float32Array]));
}
