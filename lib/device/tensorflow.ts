import { createRequire } from "node:module";
import { dirname } from "node:path";
import util from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import type { Libraries } from "./libraries.ts";

/** What this project uses of tfjs-node's backend beyond tfjs-core's ops. */
export interface TensorFlowBackend {
  isUsingGpuDevice: boolean;
  binding: Record<"TF_Version", string> & Record<`TF_${string}`, number>;
  /** Makes a tensor of numbers; TensorFlow gets them when an op first needs them. */
  write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): object;
  readSync(data: object): tf.BackendValues;
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
  const backend = new NodeJSKernelBackend(native, "@tensorflow/tfjs-node-gpu") as unknown;
  tf.registerBackend("tensorflow", () => backend as tf.KernelBackend);
  await tf.setBackend("tensorflow");
  return guard(backend as TensorFlowBackend);
}

/** Keeps the caller's arrays apart from TensorFlow's, which would share them, and explains its errors. */
function guard(backend: TensorFlowBackend): TensorFlowBackend {
  const { write, readSync } = backend;
  return Object.assign(
    backend,
    {
      write: (values, ...rest) => write.call(backend, values.slice(), ...rest),
      // A tensor that no op has used yet would give the array that is to become its buffer.
      readSync: (data) => readSync.call(backend, data).slice(),
      executeSingleOutput: explained(backend.executeSingleOutput.bind(backend)),
      executeMultipleOutputs: explained(backend.executeMultipleOutputs.bind(backend)),
    } satisfies Partial<TensorFlowBackend>,
  );
}

const explained = <Rest extends unknown[], Result>(
  execute: (op: string, attributes: OpAttribute[], inputs: tf.Tensor[], ...rest: Rest) => Result,
): typeof execute =>
(op, attributes, inputs, ...rest) => {
  try {
    return execute(op, attributes, inputs, ...rest);
  } catch (error) {
    throw explain(op, inputs, error as Error);
  }
};

/** An op's error as a sentence, which those of our own kernels already are. */
function explain(name: string, inputs: tf.Tensor[], error: Error): Error {
  const [, text = error.message] = /^Invalid TF_Status: \d+\nMessage: (.*)/s.exec(error.message) ??
    [];
  const reason = text.replace(/\s+/g, " ").trim();
  if (reason.startsWith("Cannot run ")) return new Error(reason, { cause: error });
  const given = inputs.map(({ dtype, shape, isDisposed }) =>
    isDisposed ? "a tensor that was disposed of" : `${dtype} [${shape}]`
  );
  return new Error(
    `Cannot run ${name} on ${given.join(", ") || "no input"}: TensorFlow says '${reason}'`,
    { cause: error },
  );
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
