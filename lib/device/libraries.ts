import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Paths of the libraries compiled for this machine. */
export interface Libraries {
  /** TensorFlow's binding, tfjs_binding.node. */
  binding: string;
  /** The kernels of lib/kernels/fused.cc, fused_kernels.so; absent if the folder has none. */
  kernels?: string;
}

/**
 * Finds the compiled binding and kernels.
 *
 * @param folder Holds them. @default {NATIVE_LIBRARIES of the environment, or lib/napi-v8/ of the npm package}
 * @throws {Error} When the folder has no binding.
 */
export function findLibraries(folder?: string): Libraries {
  const place = resolve(folder ?? (Deno.env.get("NATIVE_LIBRARIES") || packageFolder()));
  const [binding, kernels] = [`${place}/tfjs_binding.node`, `${place}/fused_kernels.so`];
  if (!existsSync(binding)) {
    throw new Error(
      "Cannot open the device as 'libraries' must be a folder that holds tfjs_binding.node: current value is " +
        `'${place}'. 'make setup' in a clone of this library compiles it; give its folder to ` +
        "openDevice({ libraries }), or set the environment variable NATIVE_LIBRARIES to it",
    );
  }
  return { binding, ...existsSync(kernels) && { kernels } };
}

const packageFolder = () =>
  fileURLToPath(
    new URL("lib/napi-v8", import.meta.resolve("@tensorflow/tfjs-node-gpu/package.json")),
  );
