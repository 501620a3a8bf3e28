import * as tf from "@tensorflow/tfjs-core";
import { createRandom } from "../device/random.ts";
import type { Classifier, TextModel } from "../model/classifier.ts";
import { families } from "../model/families/families.ts";
import { type LoraConfig, loraConfig } from "./lora/config.ts";
import { type LoraLayer, loraLayer, loraParameters } from "./lora/layer.ts";
import { ALL, checkTargets, layerConfig, moduleOf, savedModule, targets } from "./targets.ts";
import { attach, disableAdapter } from "./state.ts";

/** A low-rank update on some linear layers of a model, and what is trained beside it. */
export interface Adapter extends TextModel {
  lora: LoraConfig;
  model: Classifier;
  /** The adapted layers by module name. */
  layers: Map<string, LoraLayer>;
  /**
   * By name, the base's values of the model's parameters that the adapter trains, or has changed by merging; the
   * adapter's values while it is disabled.
   */
  originals: Map<string, tf.Variable>;
  /** The model's parameters, and the frozen originals of the modules that are trained in full, as peft counts. */
  readonly parameters: Map<string, tf.Variable>;
  /** What the model computes: with the update beside the weights, without, or in them. */
  state: "enabled" | "disabled" | "merged" | "removed";
}

// A's draws begin here: a new head's count up from 0, dropout's from 2^30, the orders of rows down from -1.
const FIRST_DRAW = 2 ** 29;

// How to give a model back, for those that have an adapter.
const undo = new WeakMap<Classifier, () => void>();

/**
 * Freezes a model and adds a LoRA adapter to it. A is random and B zero, so that a fresh adapter changes nothing.
 * `model.dispose()` frees the adapter too.
 *
 * @param options Fields of {@link LoraConfig} that differ from their defaults, and `seed`. @default {42}
 * @throws {TypeError} When there is no such option.
 * @throws {RangeError} When a value makes no adapter, or has no effect on this model.
 * @throws {Error} When the model has an adapter.
 * @see Hu et al., LoRA, 2021; peft's get_peft_model
 *
 * @example
 * ```ts ignore
 * const adapter = addLora(model, { r: 8, loraAlpha: 16, loraDropout: 0.1 });
 * console.log(String(trainableParameters(adapter)));
 * ```
 */
export function addLora(
  model: Classifier,
  options: Partial<LoraConfig> & { seed?: number } = {},
): Adapter {
  const { seed, ...fields } = options;
  const { loraTargets } = families[model.config.modelType];
  const lora = loraConfig({ targetModules: loraTargets, ...fields });
  checkTargets(model, lora);
  return createAdapter(model, lora, seed);
}

/** Adds an adapter of a complete configuration, some of which may have no effect, as peft takes it from a file. */
export function createAdapter(model: Classifier, lora: LoraConfig, seed = 42): Adapter {
  if (undo.has(model)) {
    throw new Error("Cannot add an adapter as the model has one: call removeAdapter on it first");
  }
  const random = createRandom(seed, FIRST_DRAW);
  const layers = new Map<string, LoraLayer>();
  const configs = targets(model, lora).map((module) =>
    [module, layerConfig(module, lora)] as const
  );
  for (const [module, config] of configs) {
    layers.set(module, loraLayer(model.linears.get(module)!, config, random));
  }
  if (lora.targetModules === ALL) lora.targetModules = [...layers.keys()]; // as peft saves it
  const isTrained = (name: string) =>
    savedModule(moduleOf(name), lora) !== undefined ||
    name.endsWith(".bias") &&
      (lora.bias === "all" || lora.bias === "lora_only" && layers.has(moduleOf(name)));
  const originals = new Map<string, tf.Variable>();
  const trainable = new Map<tf.Variable, boolean>();
  for (const [name, variable] of model.parameters) {
    trainable.set(variable, variable.trainable);
    variable.trainable = isTrained(name);
    if (variable.trainable) originals.set(name, tf.variable(variable, false));
  }

  const adapter: Adapter = {
    lora,
    model,
    config: model.config,
    forward: model.forward,
    layers,
    originals,
    get parameters() {
      const parameters = new Map(model.parameters);
      for (const [module, layer] of layers) {
        for (const [name, variable] of loraParameters(module, layer)) {
          parameters.set(name, variable);
        }
      }
      for (const [name, original] of originals) {
        const path = savedModule(moduleOf(name), lora);
        if (path) parameters.set(name.replace(path, `${path}.original_module`), original);
      }
      return parameters;
    },
    state: "enabled",
  };
  const { dispose } = model;
  model.dispose = () => {
    removeAdapter(adapter);
    dispose();
  };
  undo.set(model, () => {
    model.dispose = dispose;
    trainable.forEach((value, variable) => variable.trainable = value);
  });
  attach(adapter);
  return adapter;
}

/**
 * Takes an adapter off its model and frees it. The model is as it was before, bit for bit, trainable again, and may get
 * another adapter. If the adapter is merged, its weights and head stay, as with peft's `merge_and_unload`.
 *
 * @example
 * ```ts ignore
 * removeAdapter(adapter);
 * const other = await loadAdapter(model, "runs/other/lora/adapter");
 * ```
 */
export function removeAdapter(adapter: Adapter): void {
  const { model, layers, originals } = adapter;
  if (adapter.state === "removed") return;
  if (adapter.state === "enabled") disableAdapter(adapter);
  adapter.state = "removed";
  for (const [module, layer] of layers) {
    for (const [, variable] of loraParameters(module, layer)) variable.dispose();
  }
  for (const variable of originals.values()) variable.dispose();
  layers.clear();
  originals.clear();
  undo.get(model)!();
  undo.delete(model);
}
