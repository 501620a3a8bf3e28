import * as tf from "@tensorflow/tfjs-core";
import { port } from "../device/port.ts";
import { type Adapter, attach, detach, exchange, requireState } from "./state.ts";

/**
 * Merges the adapter into the base's weights, so that the model runs as fast as without one and can be saved for
 * Transformers. The weights it replaces are kept until {@link unmergeAdapter} or `removeAdapter`.
 *
 * @throws {Error} When the adapter is merged already, or disabled.
 * @throws {TypeError} When the base's weights are quantised.
 * @throws {RangeError} When a merged number would not be finite; the model is then unchanged.
 *
 * @example
 * ```ts ignore
 * import { loadAdapter, loadClassifier, mergeAdapter, saveModel } from "lightweight-finetuning";
 * const model = await loadClassifier("runs/base");
 * const adapter = await loadAdapter(model, "runs/sample/lora/adapter");
 * await mergeAdapter(adapter);
 * await saveModel(model, "runs/sample/lora/merged");
 * ```
 */
export async function mergeAdapter(adapter: Adapter): Promise<void> {
  requireState(adapter, "merge", "enabled");
  const { model, unmerged } = adapter;
  const merged = new Map<string, tf.Variable>();
  try {
    mergeInto(merged, adapter);
    await requireFinite(merged);
    requireState(adapter, "merge", "enabled"); // another call may have changed it meanwhile
  } catch (error) {
    merged.forEach((variable) => variable.dispose());
    throw error;
  }
  detach(adapter);
  for (const [name, variable] of merged) {
    exchange(model.parameters.get(name)!, variable);
    unmerged.set(name, variable);
  }
  adapter.state = "merged";
}

/** Adds the parameters that merging changes, by name, to a map. */
function mergeInto(merged: Map<string, tf.Variable>, { model, layers }: Adapter) {
  for (const [module, { base, adapted }] of layers) {
    for (const part of ["weight", "bias"] as const) {
      const name = `${module}.${part}`;
      const dtype = model.parameters.get(name)?.dtype;
      if (dtype !== "float32") {
        throw new TypeError(
          `Cannot merge the adapter as '${name}' must be a float32 parameter: current value is ` +
            `${dtype}. Load the adapter onto the model in full precision and merge there`,
        );
      }
      tf.tidy(() => {
        const value: tf.Tensor = adapted[part]();
        if (value !== base[part]()) merged.set(name, tf.variable(value, false));
      });
    }
  }
}

async function requireFinite(merged: Map<string, tf.Variable>) {
  const flags = tf.tidy(() =>
    tf.stack([...merged.values()].map((variable) => tf.all(tf.isFinite(variable))))
  );
  const areFinite = await port().read(flags);
  flags.dispose();
  const name = [...merged.keys()].find((_, i) => !areFinite[i]);
  if (name) {
    throw new RangeError(
      `Cannot merge the adapter as '${name}' must stay finite: current value has NaN or ` +
        "infinity. Train again with a lower learningRate, or load an earlier adapter",
    );
  }
}

/**
 * Restores the base's weights, bit for bit, and enables the adapter beside them again.
 *
 * @throws {Error} When the adapter is not merged.
 */
export function unmergeAdapter(adapter: Adapter): void {
  requireState(adapter, "unmerge", "merged");
  const { model, unmerged } = adapter;
  for (const [name, original] of unmerged) {
    exchange(model.parameters.get(name)!, original);
    original.dispose();
  }
  unmerged.clear();
  attach(adapter);
  adapter.state = "enabled";
}
