import util from "node:util";
import type { Tensor } from "@tensorflow/tfjs-core";

/** What this project uses of tfjs-node's backend beyond tfjs-core's ops. */
export interface TensorFlowBackend {
  isUsingGpuDevice: boolean;
  binding: Record<"TF_Version", string> & Record<`TF_${string}`, number>;
  executeSingleOutput(name: string, attributes: OpAttribute[], inputs: Tensor[]): Tensor;
  executeMultipleOutputs(
    name: string,
    attributes: OpAttribute[],
    inputs: Tensor[],
    outputs: number,
  ): Tensor[];
}

/** An attribute of a raw TensorFlow op. */
export interface OpAttribute {
  name: string;
  type: number;
  value: unknown;
}

let backend: Promise<TensorFlowBackend> | undefined;

/** Loads TensorFlow once. Everything that must be set before its library loads is set here. */
export function loadTensorFlow(): Promise<TensorFlowBackend> {
  return backend ??= load();
}

async function load(): Promise<TensorFlowBackend> {
  // tfjs-node 4.22 calls it, and Node 23 removed it: https://github.com/tensorflow/tfjs/pull/8425
  Object.assign(util, { isNullOrUndefined: (value: unknown) => value == null });
  // oneDNN is off by default on CPUs without AVX-512, where it is faster too.
  if (!Deno.env.has("TF_ENABLE_ONEDNN_OPTS")) Deno.env.set("TF_ENABLE_ONEDNN_OPTS", "1");
  if (!Deno.env.has("TF_CPP_MIN_LOG_LEVEL")) Deno.env.set("TF_CPP_MIN_LOG_LEVEL", "2");
  // Compiling kernels for a GPU newer than the build takes minutes; keep what was compiled.
  if (!Deno.env.has("CUDA_CACHE_MAXSIZE")) Deno.env.set("CUDA_CACHE_MAXSIZE", "4294967296");
  await import("@tensorflow/tfjs-node-gpu");
  const tf = await import("@tensorflow/tfjs-core");
  return tf.backend() as unknown as TensorFlowBackend;
}
