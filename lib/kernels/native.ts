import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "../device/random.ts";
import { rawOp } from "../device/raw.ts";
import type { TensorFlowBackend } from "../device/tensorflow.ts";

const LIBRARY = fileURLToPath(
  new URL(
    "../../node_modules/@tensorflow/tfjs-node-gpu/lib/napi-v8/fused_kernels.so",
    import.meta.url,
  ),
);
let available: boolean | undefined;

/** Whether the kernels of fused.cc run: they are for the CPU, and set-up compiles them. */
export const hasFused = (): boolean => available ??= load();

function load(): boolean {
  const { isUsingGpuDevice } = tf.backend() as unknown as TensorFlowBackend;
  if (isUsingGpuDevice || !existsSync(LIBRARY)) return false;
  Deno.dlopen(LIBRARY, {}); // it registers its ops with TensorFlow by itself
  return true;
}

/** Runs something with the plain versions of all kernels. */
export function withPlainKernels<T>(work: () => T): T {
  const before = hasFused();
  available = false;
  try {
    return work();
  } finally {
    available = before;
  }
}

/** Runs an op of fused.cc; its attributes are numbers. */
export const fused = (
  name: string,
  inputs: tf.Tensor[],
  outputs: number,
  attributes?: Record<string, number>,
): tf.Tensor[] => rawOp(`Fused${name}`, inputs, attributes, outputs);

/** The key of the next draw, from which a kernel makes the numbers that `random.uniform` would give. */
export const nextKey = (random: Random) => tf.tensor1d([random.seed, random.draws++], "int32");
