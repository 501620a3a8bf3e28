import { createRequire } from "node:module";
import { dirname } from "node:path";
import util from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import type { Libraries } from "./libraries.ts";

/** What this project uses of tfjs-node's backend beyond tfjs-core's ops. */
export interface TensorFlowBackend {
  isUsingGpuDevice: boolean;
  binding: Record<"TF_Version", string> & Record<`TF_${string}`, number>;
  executeSingleOutput(name: string, attributes: OpAttribute[], inputs: tf.Tensor[]): tf.Tensor;
  executeMultipleOutputs(
    name: string,
    attributes: OpAttribute[],
    inputs: tf.Tensor[],
    outputs: number,
  ): tf.Tensor[];
}

/** An attribute of a raw TensorFlow op. */
export interface OpAttribute {
  name: string;
  type: number;
  value: unknown;
}

let loaded: { binding: string; backend: Promise<TensorFlowBackend> } | undefined;

/**
 * Loads TensorFlow once in a process, and first sets everything that its library reads when it loads.
 *
 * @throws {Error} When it has been loaded from another folder.
 */
export async function loadTensorFlow({ binding }: Libraries): Promise<TensorFlowBackend> {
  loaded ??= { binding, backend: load(binding) };
  if (loaded.binding !== binding) {
    throw new Error(
      "Cannot open the device as 'libraries' must be the folder that TensorFlow is loaded from: current value is " +
        `'${dirname(binding)}', loaded is '${dirname(loaded.binding)}'. Restart to use another`,
    );
  }
  return await loaded.backend.catch((error) => {
    loaded = undefined;
    throw error;
  });
}

async function load(binding: string): Promise<TensorFlowBackend> {
  // tfjs-node 4.22 calls it, and Node 23 removed it: https://github.com/tensorflow/tfjs/pull/8425
  Object.assign(util, { isNullOrUndefined: (value: unknown) => value == null });
  // oneDNN is off by default on CPUs without AVX-512, where it is faster too.
  if (!Deno.env.has("TF_ENABLE_ONEDNN_OPTS")) Deno.env.set("TF_ENABLE_ONEDNN_OPTS", "1");
  if (!Deno.env.has("TF_CPP_MIN_LOG_LEVEL")) Deno.env.set("TF_CPP_MIN_LOG_LEVEL", "2");
  // Compiling kernels for a GPU newer than the build takes minutes; keep what was compiled.
  if (!Deno.env.has("CUDA_CACHE_MAXSIZE")) Deno.env.set("CUDA_CACHE_MAXSIZE", "4294967296");
  // The package's index.js would look for the binding only in its own folder.
  const native = createRequire(binding)(binding);
  const { NodeJSKernelBackend } = await import(
    "@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js"
  );
  await import("@tensorflow/tfjs-node-gpu/dist/register_all_kernels.js"); // and tfjs-core's gradients
  const kernels: unknown = new NodeJSKernelBackend(native, "@tensorflow/tfjs-node-gpu");
  tf.registerBackend("tensorflow", () => kernels as tf.KernelBackend);
  await tf.setBackend("tensorflow");
  const backend = kernels as TensorFlowBackend;
  backend.executeSingleOutput = explained(backend.executeSingleOutput.bind(backend));
  backend.executeMultipleOutputs = explained(backend.executeMultipleOutputs.bind(backend));
  return backend;
}

/** TensorFlow's errors give a number and a reason; these say which op failed, and on what. */
function explained<Rest extends unknown[], Result>(
  execute: (op: string, attributes: OpAttribute[], inputs: tf.Tensor[], ...rest: Rest) => Result,
): typeof execute {
  return (op, attributes, inputs, ...rest) => {
    try {
      return execute(op, attributes, inputs, ...rest);
    } catch (error) {
      const reason = (error as Error).message.replace(/^Invalid TF_Status: \d+\s+Message: /, "");
      const shapes = inputs.map(({ shape }) => `[${shape}]`).join(", ");
      const says = reason.startsWith("Cannot ") ? "" : `Cannot compute ${op} of ${shapes}: `; // ours do
      throw new Error(says + reason, { cause: error });
    }
  };
}

/** An attribute of an op: a type by TensorFlow's name for it, a boolean, or a float. */
export type RawAttribute = "TF_FLOAT" | "TF_INT32" | "TF_UINT8" | boolean | number;

/**
 * Runs an op of TensorFlow that tfjs has no function for; it has no gradient.
 *
 * @param outputs How many tensors the op returns. @default {1}
 */
export function rawOp(
  name: string,
  inputs: tf.Tensor[],
  attributes: Record<string, RawAttribute> = {},
  outputs = 1,
): tf.Tensor[] {
  const backend = tf.backend() as unknown as TensorFlowBackend;
  const { binding } = backend;
  const typed = Object.entries(attributes).map(([name, value]) => {
    if (typeof value === "string") {
      return { name, type: binding.TF_ATTR_TYPE!, value: binding[value] };
    }
    return {
      name,
      type: binding[typeof value === "boolean" ? "TF_ATTR_BOOL" : "TF_ATTR_FLOAT"]!,
      value,
    };
  });
  return backend.executeMultipleOutputs(name, typed, inputs, outputs);
}
