import * as tf from "@tensorflow/tfjs-core";
import { createRandom } from "../device/random.ts";
import type { Classifier } from "../model/classifier.ts";
import { families } from "../model/families/families.ts";
import { completeConfig } from "./config.ts";
import type { AdaptedLayer, Method, PeftConfig } from "./method.ts";
import { type Adapter, attach, disableAdapter, layerParameters } from "./state.ts";
import { ALL, checkTargets, moduleOf, savedModule, trainedParts } from "./targets.ts";

// Where the draws of initial values begin; a new head's begin at 0, dropout's at 2^30, row orders count down from -1.
const FIRST_DRAW = 2 ** 29;

// Undoes the changes to each model that has an adapter.
const restorers = new WeakMap<Classifier, () => void>();

/**
 * Freezes a model and adds an adapter to it.
 *
 * @param options Fields of the configuration that differ from their defaults, and `seed`. @default {42}
 * @returns The adapter; `model.dispose()` frees it too.
 * @throws {TypeError} When an option is unknown.
 * @throws {RangeError} When a value is invalid, or has no effect on this model.
 * @throws {Error} When the model has an adapter already.
 */
export function addAdapter<Config extends PeftConfig, Layer extends AdaptedLayer>(
  method: Method<Config, Layer>,
  model: Classifier,
  options: Partial<Config> & { seed?: number },
): Adapter<Config, Layer> {
  const { seed, ...fields } = options;
  const names = families[model.config.modelType].layer(0);
  const config = completeConfig(method, names, fields as unknown as Partial<Config>);
  checkTargets(model, method, config, Object.keys(fields));
  return createAdapter(method, model, config, seed);
}

/** Adds an adapter of a complete configuration; as in peft's files, parts of it may have no effect. */
export function createAdapter<Config extends PeftConfig, Layer extends AdaptedLayer>(
  method: Method<Config, Layer>,
  model: Classifier,
  peftConfig: Config,
  seed = 42,
): Adapter<Config, Layer> {
  if (restorers.has(model)) {
    throw new Error("Cannot add an adapter as the model has one. Call removeAdapter on it first");
  }
  const random = createRandom(seed, FIRST_DRAW);
  const { modules, trained } = trainedParts(model, method, peftConfig);
  if (peftConfig.targetModules === ALL) { // as peft saves it
    peftConfig.targetModules = modules;
    method.nameTargets?.(peftConfig, modules);
  }
  const { layers, originals } = allOrNone(() => ({
    layers: new Map(
      modules.map((module) =>
        [module, method.wrap(module, model.linears.get(module)!, peftConfig, random)] as const
      ),
    ),
    originals: new Map(
      trained.map((name) => [name, tf.variable(model.parameters.get(name)!, false)] as const),
    ),
  }));
  const trainable = new Map<tf.Variable, boolean>();
  for (const [name, variable] of model.parameters) {
    trainable.set(variable, variable.trainable);
    variable.trainable = originals.has(name);
  }

  const adapter: Adapter<Config, Layer> = {
    method,
    peftConfig,
    model,
    config: model.config,
    labels: model.labels,
    forward: model.forward,
    layers,
    originals,
    unmerged: new Map(),
    get parameters() {
      const parameters = new Map([...model.parameters, ...layerParameters(adapter)]);
      for (const [name, original] of originals) {
        const path = savedModule(moduleOf(name), peftConfig);
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
  restorers.set(model, () => {
    model.dispose = dispose;
    trainable.forEach((value, variable) => variable.trainable = value);
  });
  attach(adapter);
  return adapter;
}

/** Makes variables, or frees those it has made when the device cannot make all. */
function allOrNone<T>(make: () => T): T {
  const { registeredVariables } = tf.engine().state;
  const before = new Set(Object.keys(registeredVariables));
  try {
    return make();
  } catch (error) {
    for (const [name, variable] of Object.entries(registeredVariables)) {
      if (!before.has(name)) variable.dispose();
    }
    throw error;
  }
}

/**
 * Removes an adapter from its model and frees it. The model is as it was before, bit for bit, trainable again, and can
 * take another adapter. If the adapter is merged, its weights and head stay, as with peft's `merge_and_unload`.
 *
 * @example
 * ```ts ignore
 * import { loadAdapter, loadClassifier, removeAdapter } from "lightweight-finetuning";
 * const model = await loadClassifier("runs/base");
 * const adapter = await loadAdapter(model, "runs/sample/lora/adapter");
 * removeAdapter(adapter);
 * const other = await loadAdapter(model, "runs/other/lora/adapter");
 * ```
 */
export function removeAdapter(adapter: Adapter): void {
  const { model, layers, originals, unmerged } = adapter;
  if (adapter.state === "removed") return;
  if (adapter.state === "enabled") disableAdapter(adapter);
  adapter.state = "removed";
  for (const [, variable] of layerParameters(adapter)) variable.dispose();
  layers.clear();
  for (const variables of [originals, unmerged]) {
    variables.forEach((variable) => variable.dispose());
    variables.clear();
  }
  restorers.get(model)!();
  restorers.delete(model);
}
