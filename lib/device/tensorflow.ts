import { createRequire } from "node:module";
import { dirname } from "node:path";
import util from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import type { Libraries } from "./libraries.ts";
import type { Precision } from "./port.ts";

/** What this project uses of tfjs-node's backend beyond tfjs-core's ops. */
export interface TensorFlowBackend {
  isUsingGpuDevice: boolean;
  binding: Record<"TF_Version", string> & Record<`TF_${string}`, number>;
  /** Makes a tensor of numbers; TensorFlow gets them when an op first needs them. */
  write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): object;
  readSync(data: object): tf.BackendValues;
  /** Makes a tensor of what an op has returned. */
  createOutputTensor(result: { id: number; shape: number[]; dtype: number }): tf.Tensor;
  /** Gives up one reference to data; says whether they are freed. */
  disposeData(data: object, force?: boolean): boolean;
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

/** TensorFlow's number for bfloat16, of which tfjs knows nothing. */
const BFLOAT16 = 14;

/** Data in bfloat16, which tfjs takes for float32. */
const inBf16 = new WeakSet<object>();

/** By data, a copy of them in bfloat16. */
const bf16Copies = new WeakMap<object, tf.Tensor>();

/**
 * The ops that may be given bfloat16; of our own kernels TensorFlow refuses the others. tfjs runs Cast, and Add where it
 * sums the gradients of a tensor that was used twice.
 */
const TAKES_BF16 = /^(MatMul|Cast|Add|Fused.*)$/;

/**
 * Keeps the caller's arrays apart from TensorFlow's, which would share them, explains its errors, lets tensors be of
 * bfloat16 and frees a copy in bfloat16 with its original.
 */
function guard(backend: TensorFlowBackend): TensorFlowBackend {
  const { write, readSync, createOutputTensor, disposeData } = backend;
  return Object.assign(
    backend,
    {
      write: (values, ...rest) => write.call(backend, copyOf(values), ...rest),
      // A tensor that no op has used yet would give the array that is to become its buffer.
      readSync: (data) => readSync.call(backend, data).slice(),
      createOutputTensor(result) {
        const { dtype } = result;
        const known = dtype === BFLOAT16 ? { ...result, dtype: backend.binding.TF_FLOAT! } : result;
        const tensor = createOutputTensor.call(backend, known);
        if (dtype === BFLOAT16) inBf16.add(tensor.dataId);
        return tensor;
      },
      disposeData(data, force) {
        const freed = disposeData.call(backend, data, force);
        if (freed) bf16Copies.get(data)?.dispose();
        return freed;
      },
      executeSingleOutput: explained(backend.executeSingleOutput.bind(backend)),
      executeMultipleOutputs: explained(backend.executeMultipleOutputs.bind(backend)),
    } satisfies Partial<TensorFlowBackend>,
  );
}

/** At multiples of how many bytes TensorFlow wants numbers to begin; others it would copy once more. */
const ALIGNMENT = 64;

/** A copy of numbers; where it is large it begins at such a multiple. */
function copyOf(values: tf.BackendValues): tf.BackendValues {
  if (!(values instanceof Float32Array) || values.length < 2 ** 14) return values.slice();
  const buffer = new ArrayBuffer(values.byteLength + ALIGNMENT);
  const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(new Uint8Array(buffer)));
  const copy = new Float32Array(
    buffer,
    Number(-BigInt(address) & BigInt(ALIGNMENT - 1)),
    values.length,
  );
  copy.set(values);
  return copy;
}

const explained = <Rest extends unknown[], Result>(
  execute: (op: string, attributes: OpAttribute[], inputs: tf.Tensor[], ...rest: Rest) => Result,
): typeof execute =>
(op, attributes, inputs, ...rest) => {
  const wrong = inputs.find(({ dataId }) => inBf16.has(dataId));
  if (wrong && !TAKES_BF16.test(op)) {
    throw new TypeError(
      `Cannot run ${op} as its inputs must be float32: current value is bfloat16 [${wrong.shape}]. ` +
        "Cast it by the port",
    );
  }
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
  if (
    /^Fused/.test(name) &&
    /neither a type of a primitive operation|expected to be a float tensor but is a bfloat16/.test(
      reason,
    )
  ) {
    return new Error(
      `Cannot run ${name} as fused_kernels.so must be compiled from this version of lib/kernels/fused.cc: it ` +
        "is of an older one. Run 'make setup'",
      { cause: error },
    );
  }
  const given = inputs.map(({ dtype, shape, isDisposed }) =>
    isDisposed ? "a tensor that was disposed of" : `${dtype} [${shape}]`
  );
  return new Error(
    `Cannot run ${name} on ${given.join(", ") || "no input"}: TensorFlow says '${reason}'`,
    { cause: error },
  );
}

/** An attribute of an op: a type by TensorFlow's name for it, a boolean, or a float. */
export type RawAttribute =
  | "TF_FLOAT"
  | "TF_BFLOAT16"
  | "TF_INT32"
  | "TF_UINT8"
  | boolean
  | number;

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
      const type = value === "TF_BFLOAT16" ? BFLOAT16 : binding[value];
      return { name, type: binding.TF_ATTR_TYPE!, value: type };
    }
    return {
      name,
      type: binding[typeof value === "boolean" ? "TF_ATTR_BOOL" : "TF_ATTR_FLOAT"]!,
      value,
    };
  });
  return backend.executeMultipleOutputs(name, typed, inputs, outputs);
}

/**
 * A tensor's numbers in bfloat16, rounded to the nearest and of two to the even one. They are computed once, and freed
 * with the tensor's own.
 *
 * tfjs takes the result for float32: only the ops that rawOp runs may have it, others throw a TypeError.
 */
export function toBf16<T extends tf.Tensor>(x: T): T {
  if (inBf16.has(x.dataId)) return x;
  let copy = bf16Copies.get(x.dataId);
  if (!copy || copy.isDisposed) {
    copy = tf.keep(rawOp("Cast", [x], { SrcT: "TF_FLOAT", DstT: "TF_BFLOAT16" })[0]!);
    bf16Copies.set(x.dataId, copy);
  }
  return copy as T;
}

/** The type of a tensor's numbers. */
export const typeOf = ({ dataId }: tf.Tensor): Precision =>
  inBf16.has(dataId) ? "bfloat16" : "float32";

/** A tensor's numbers in float32. */
export const toFloat32 = <T extends tf.Tensor>(x: T): T =>
  inBf16.has(x.dataId) ? rawOp("Cast", [x], { SrcT: "TF_BFLOAT16", DstT: "TF_FLOAT" })[0] as T : x;
