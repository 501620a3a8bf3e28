import * as tf from "@tensorflow/tfjs-core";
import type { Adapter } from "./adapter.ts";
import { attach, detach, exchange, requireState } from "./state.ts";

/**
 * Puts the update into the base's weights, so that the model runs as fast as without an adapter and can be saved for
 * Transformers. The weights that it replaces are kept until {@link unmergeAdapter} or `removeAdapter`.
 *
 * @throws {Error} When the adapter is merged already, or disabled.
 * @throws {TypeError} When the base's weights are quantised.
 * @throws {RangeError} When a merged weight would not be finite. Nothing has changed then.
 */
export function mergeAdapter(adapter: Adapter): void {
  requireState(adapter, "merge", "enabled");
  const { model, layers, originals } = adapter;
  const merged = new Map<string, tf.Variable>();
  try {
    for (const [module, { adapted }] of layers) {
      const name = `${module}.weight`;
      const dtype = model.parameters.get(name)?.dtype;
      if (dtype !== "float32") {
        throw new TypeError(
          `Cannot merge the adapter as '${name}' must be a float32 parameter: current value is ` +
            `${dtype}. Load the adapter onto the model in full precision and merge there`,
        );
      }
      tf.tidy(() => {
        const weight = tf.variable(adapted.weight(), false);
        merged.set(name, weight);
        if (!tf.all(tf.isFinite(weight)).dataSync()[0]) {
          throw new RangeError(
            `Cannot merge the adapter as '${name}' must stay finite: current value has NaN or ` +
              "infinity. Train again with a lower learningRate, or load an earlier adapter",
          );
        }
      });
    }
  } catch (error) {
    merged.forEach((weight) => weight.dispose());
    throw error;
  }
  detach(adapter);
  for (const [name, weight] of merged) {
    exchange(model.parameters.get(name)!, weight);
    originals.set(name, weight);
  }
  adapter.state = "merged";
}

/**
 * Gives the base its weights back, bit for bit, and puts the update beside them again.
 *
 * @throws {Error} When the adapter is not merged.
 */
export function unmergeAdapter(adapter: Adapter): void {
  requireState(adapter, "unmerge", "merged");
  const { model, layers, originals } = adapter;
  for (const module of layers.keys()) {
    const name = `${module}.weight`;
    const original = originals.get(name)!;
    exchange(model.parameters.get(name)!, original);
    original.dispose();
    originals.delete(name);
  }
  attach(adapter);
  adapter.state = "enabled";
}
