import { ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import type { Batch, TextModel } from "lightweight-finetuning";

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

/** Runs a script of this folder. */
export async function python(script: string, ...args: string[]) {
  const { success, stderr } = await new Deno.Command(PYTHON, {
    args: [`${ROOT}test/parity/${script}`, ...args],
    env: { HF_HUB_OFFLINE: "1" },
    stdin: "null",
  }).output();
  ok(success, new TextDecoder().decode(stderr));
}

export const report = (what: string, difference: number) =>
  console.log(`${what}: largest difference ${difference.toExponential(1)}`);

export function logitsOf(model: TextModel, batch: Batch): Float32Array {
  return tf.tidy(() => model.forward(batch).dataSync<"float32">());
}
