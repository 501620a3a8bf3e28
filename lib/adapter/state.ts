import * as tf from "@tensorflow/tfjs-core";
import type { Adapter } from "./adapter.ts";
import { loraParameters } from "./lora/layer.ts";

/**
 * Gives the model its base back, bit for bit: weights, head and biases. (peft leaves trained biases in place.) Nothing
 * is trainable meanwhile.
 *
 * @throws {Error} When the adapter is not enabled.
 *
 * @example
 * ```ts ignore
 * disableAdapter(adapter);
 * const base = await evaluate(model, test);
 * enableAdapter(adapter);
 * ```
 */
export function disableAdapter(adapter: Adapter): void {
  requireState(adapter, "disable", "enabled");
  detach(adapter);
  exchangeOriginals(adapter, false);
  adapter.state = "disabled";
}

/**
 * Undoes {@link disableAdapter}.
 *
 * @throws {Error} When the adapter is not disabled.
 */
export function enableAdapter(adapter: Adapter): void {
  requireState(adapter, "enable", "disabled");
  attach(adapter);
  exchangeOriginals(adapter, true);
  adapter.state = "enabled";
}

/** Puts the adapter's layers and parameters into the model. */
export function attach({ model, layers }: Adapter) {
  for (const [module, layer] of layers) {
    model.linears.set(module, layer.adapted);
    for (const [name, variable] of loraParameters(module, layer)) {
      model.parameters.set(name, variable);
      variable.trainable = true;
    }
  }
}

/** Takes them out. */
export function detach({ model, layers }: Adapter) {
  for (const [module, layer] of layers) {
    model.linears.set(module, layer.base);
    for (const [name, variable] of loraParameters(module, layer)) {
      model.parameters.delete(name);
      variable.trainable = false;
    }
  }
}

function exchangeOriginals({ model, originals }: Adapter, trainable: boolean) {
  for (const [name, original] of originals) {
    const variable = model.parameters.get(name)!;
    exchange(variable, original);
    variable.trainable = trainable;
  }
}

/** Exchanges two variables' values; no number is copied. */
export function exchange(a: tf.Variable, b: tf.Variable) {
  tf.tidy(() => {
    const value = a.clone();
    a.assign(b);
    b.assign(value);
  });
}

const REMEDY = {
  enabled: "",
  disabled: ". Call enableAdapter first",
  merged: ". Call unmergeAdapter first",
  removed: ". Add or load it again",
};

/** Fails unless an adapter is in one of the states. */
export function requireState({ state }: Adapter, verb: string, ...states: Adapter["state"][]) {
  if (!states.includes(state)) {
    throw new Error(
      `Cannot ${verb} the adapter as it must be ${states.join(" or ")}: current value is ` +
        state + REMEDY[state],
    );
  }
}
