import * as tf from "@tensorflow/tfjs-core";
import type { Classifier, TextModel } from "../model/classifier.ts";
import type { AdaptedLayer, Method, PeftConfig } from "./method.ts";

/** Changes to some linear layers of a model, and what is trained beside them. */
export interface Adapter<
  Config extends PeftConfig = PeftConfig,
  Layer extends AdaptedLayer = AdaptedLayer,
> extends TextModel {
  /** How the layers are changed. */
  method: Method<Config, Layer>;
  /** The method's options. */
  peftConfig: Config;
  /** The model that has the adapter. */
  model: Classifier;
  /** The adapted layers by module name. */
  layers: Map<string, Layer>;
  /**
   * By name, the base's values of the model's own parameters that are trained; the trained values while the adapter is
   * disabled.
   */
  originals: Map<string, tf.Variable>;
  /** While the adapter is merged, the base's values of the parameters that merging changed, by name. */
  unmerged: Map<string, tf.Variable>;
  /** The model's parameters, and the frozen originals of the modules that are trained in full, as peft counts. */
  readonly parameters: Map<string, tf.Variable>;
  /** What the model computes: with the adapter beside the weights, without, or in them. */
  state: "enabled" | "disabled" | "merged" | "removed";
}

/**
 * Restores the base model, bit for bit: weights, head and biases. (peft leaves trained biases in place.) Nothing is
 * trainable until the adapter is enabled again.
 *
 * @throws {Error} When the adapter is not enabled.
 *
 * @example
 * ```ts ignore
 * import {
 *   addLora,
 *   disableAdapter,
 *   enableAdapter,
 *   evaluate,
 *   loadClassifier,
 * } from "lightweight-finetuning";
 * const model = await loadClassifier("runs/base");
 * const adapter = addLora(model);
 * disableAdapter(adapter);
 * const { accuracy } = await evaluate(model, { inputIds: [[2, 5, 3]], labels: [0] }); // the base's
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

/** The variables that the method adds to the adapted layers, by their names in an adapter's file. */
export function layerParameters(
  { method, layers }: Adapter,
): (readonly [name: string, variable: tf.Variable])[] {
  return [...layers].flatMap(([module, layer]) =>
    method.parameters(layer).map(([name, variable]) => [`${module}.${name}`, variable] as const)
  );
}

/** Puts the adapter's layers and parameters into the model. */
export function attach(adapter: Adapter): void {
  const { model, layers } = adapter;
  for (const [module, { adapted }] of layers) model.linears.set(module, adapted);
  for (const [name, variable] of layerParameters(adapter)) {
    model.parameters.set(name, variable);
    variable.trainable = true;
  }
}

/** Takes the adapter's layers and parameters out of the model. */
export function detach(adapter: Adapter): void {
  const { model, layers } = adapter;
  for (const [module, { base }] of layers) model.linears.set(module, base);
  for (const [name, variable] of layerParameters(adapter)) {
    model.parameters.delete(name);
    variable.trainable = false;
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
export function exchange(a: tf.Variable, b: tf.Variable): void {
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

/**
 * Checks the state of an adapter.
 *
 * @throws {Error} When it is in none of the given states.
 */
export function requireState(
  { state }: Adapter,
  verb: string,
  ...states: Adapter["state"][]
): void {
  if (!states.includes(state)) {
    throw new Error(
      `Cannot ${verb} the adapter as it must be ${states.join(" or ")}: current value is ` +
        state + REMEDY[state],
    );
  }
}
