import * as tf from "@tensorflow/tfjs-core";
import { createRandom } from "../device/random.ts";
import type { Classifier, TextModel } from "../model/classifier.ts";
import { dropout } from "../model/kernels.ts";
import type { Linear } from "../model/linear.ts";
import { type LoraConfig, loraConfig } from "./config.ts";

/** A low-rank update on some linear layers of a model, and the modules trained beside it. */
export interface Adapter extends TextModel {
  lora: LoraConfig;
  model: Classifier;
  /** The adapted layers by module name. */
  layers: Map<string, LoraLayer>;
  /** The model's parameters, and the frozen originals of the modules that are trained in full. */
  readonly parameters: Map<string, tf.Variable>;
  /** True while the update is part of the base weights. */
  merged: boolean;
}

/** One adapted layer: y = base(x) + scaling · B(A(dropout(x))). */
export interface LoraLayer {
  /** [r, in] */
  A: tf.Variable;
  /** [out, r] */
  B: tf.Variable;
  /** Without the update. */
  base: Linear;
  /** With it. */
  adapted: Linear;
}

/**
 * Freezes a model and adds a LoRA adapter to it. A is drawn from U(−1/√in, 1/√in) and B is zero, so that a fresh
 * adapter changes nothing.
 *
 * @param options Fields of {@link LoraConfig} that differ from their defaults, and `seed`. @default {42}
 * @throws {RangeError} When a target matches no linear layer of the model.
 * @throws {Error} When the model has an adapter that is not merged.
 * @see Hu et al., LoRA, 2021, §4.1; peft's LoraModel
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
  if ([...model.parameters.keys()].some((name) => name.includes(".lora_"))) {
    throw new Error("Cannot add an adapter as the model has one: merge it, or load the model anew");
  }
  const { seed = 42, ...fields } = options;
  const lora = loraConfig(fields);
  const isSaved = (name: string) => lora.modulesToSave.some((module) => isUnder(name, module));
  const modules = targets([...model.linears.keys()].filter((name) => !isSaved(name)), lora);

  const originals = new Map<string, tf.Variable>();
  for (const [name, variable] of model.parameters) {
    variable.trainable = isSaved(name);
    if (variable.trainable) {
      originals.set(name.replace(/(\.\w+)$/, ".original_module$1"), tf.variable(variable, false));
    }
  }
  const random = createRandom(seed);
  const layers = new Map<string, LoraLayer>();
  for (const module of modules) {
    const [output, input] = model.linears.get(module)!.shape;
    const [A, B] = tf.tidy(() => {
      const limit = 1 / Math.sqrt(input);
      const uniform = random.uniform<tf.Rank.R2>([lora.r, input]);
      const initial = tf.sub(tf.mul(uniform, 2 * limit), limit);
      return [tf.variable(initial), tf.variable(tf.zeros([output, lora.r]))];
    }) as [tf.Variable, tf.Variable];
    layers.set(module, loraLayer(model.linears.get(module)!, A, B, lora));
  }
  const adapter: Adapter = {
    lora,
    model,
    config: model.config,
    forward: model.forward,
    layers,
    get parameters() {
      return new Map([...model.parameters, ...originals]);
    },
    merged: false,
  };
  attach(adapter);
  return adapter;
}

/** Puts the adapter's layers and parameters into the model. */
export function attach({ model, layers }: Adapter) {
  for (const [module, { A, B, adapted }] of layers) {
    model.linears.set(module, adapted);
    model.parameters.set(`${module}.lora_A.weight`, A);
    model.parameters.set(`${module}.lora_B.weight`, B);
  }
}

/** Takes the adapter's layers and parameters out of the model. */
export function detach({ model, layers }: Adapter) {
  for (const [module, { base }] of layers) {
    model.linears.set(module, base);
    model.parameters.delete(`${module}.lora_A.weight`);
    model.parameters.delete(`${module}.lora_B.weight`);
  }
}

function loraLayer(base: Linear, A: tf.Variable, B: tf.Variable, config: LoraConfig): LoraLayer {
  const scaling = config.loraAlpha / config.r;
  const adapted: Linear = {
    ...base,
    apply(x, random) {
      const low = tf.matMul(dropout(x, config.loraDropout, random), A as tf.Tensor2D, false, true);
      const update = tf.matMul(low, B as tf.Tensor2D, false, true);
      return tf.add(base.apply(x, random), tf.mul(update, scaling));
    },
  };
  return { A, B, base, adapted };
}

function targets(modules: string[], { targetModules }: LoraConfig): string[] {
  const matching = (target: string) => modules.filter((name) => isSuffix(name, target));
  const unmatched = targetModules.filter((target) => !matching(target).length);
  if (!targetModules.length || unmatched.length) {
    const ends = [...new Set(modules.map((name) => name.split(".").slice(-2).join(".")))];
    throw new RangeError(
      `Cannot add an adapter as 'targetModules' must name linear layers of the model, such as ${
        ends.join(", ")
      }: current value is ${JSON.stringify(targetModules)}${
        unmatched.length ? `, of which ${unmatched.join(", ")} matches nothing` : ""
      }`,
    );
  }
  return modules.filter((name) => targetModules.some((target) => isSuffix(name, target)));
}

const isSuffix = (name: string, target: string) => name === target || name.endsWith(`.${target}`);
const isUnder = (name: string, module: string) => `.${name}.`.includes(`.${module}.`);
