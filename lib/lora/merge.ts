import * as tf from "@tensorflow/tfjs-core";
import { type Adapter, attach, detach } from "./adapter.ts";

/**
 * Adds the update to the base weights, W + scaling · B·A, so that the model runs as fast as without an adapter and can
 * be saved for Transformers.
 *
 * @throws {Error} When the adapter is merged already.
 */
export function mergeAdapter(adapter: Adapter): void {
  if (adapter.merged) throw new Error("Cannot merge the adapter as it is merged already");
  addUpdate(adapter, 1);
  detach(adapter);
  adapter.merged = true;
}

/**
 * Takes the update out of the base weights again; they are what they were but for rounding.
 *
 * @throws {Error} When the adapter is not merged.
 */
export function unmergeAdapter(adapter: Adapter): void {
  if (!adapter.merged) throw new Error("Cannot unmerge the adapter as it is not merged");
  addUpdate(adapter, -1);
  attach(adapter);
  adapter.merged = false;
}

function addUpdate({ model, layers, lora }: Adapter, sign: 1 | -1) {
  const scaling = sign * lora.loraAlpha / lora.r;
  for (const [module, { A, B }] of layers) {
    const weight = model.parameters.get(`${module}.weight`)!;
    tf.tidy(() => {
      const update = tf.matMul(B as tf.Tensor2D, A as tf.Tensor2D); // [out, in]
      weight.assign(tf.add(weight, tf.mul(update, scaling)));
    });
  }
}
