import type * as tf from "@tensorflow/tfjs-core";
import type { Random } from "../device/random.ts";
import type { LayerNames } from "../model/families/family.ts";
import type { Linear } from "../model/linear.ts";

/** The options that every method has; names and defaults are those of peft. */
export interface PeftConfig {
  /**
   * Linear layers to adapt: a list of suffixes of names, one regular expression for whole names, or "all-linear" for
   * all but those that are trained in full.
   */
  targetModules: string[] | string;
  /** Linear layers to leave out, in the same forms. @default {null} */
  excludeModules: string[] | string | null;
  /** Modules that are trained in full and saved with the adapter, by suffixes of their names. @default {[]} */
  modulesToSave: string[];
  /** "SEQ_CLS" adds the head to modulesToSave, null does not. @default {"SEQ_CLS"} */
  taskType: "SEQ_CLS" | null;
  /** The base model's name or folder. @default {""} */
  baseModelNameOrPath: string;
}

/** A linear layer with and without its adapter; a method adds the variables that it trains. */
export interface AdaptedLayer {
  /** The layer as the model has it. */
  base: Linear;
  /** The layer with the adapter. */
  adapted: Linear;
}

/** Which values an option may have. */
export interface Rule<Config> {
  /** Whether a value may be used. */
  isValid(value: unknown, config: Config): boolean;
  /** Describes a valid value, in an error after "must be". */
  range: string;
  /** What to do about another value. */
  remedy?: string;
}

/** Names' suffixes or a regular expression: see {@link PeftConfig.targetModules}. */
export type Target = string[] | string;

/** An option each of whose values must name something. */
export interface Reference {
  /** The option's name. */
  option: string;
  /** Its values. */
  values: Target[];
  /** The existing names. */
  names: string[];
  /** Whether a value matches a name. */
  matches(value: Target, name: string): boolean;
}

/**
 * One way to adapt linear layers, such as LoRA, with everything in which methods differ. A new one is a folder with this
 * object, and a line in methods.ts.
 */
export interface Method<
  Config extends PeftConfig = PeftConfig,
  Layer extends AdaptedLayer = AdaptedLayer,
> {
  /** `peft_type` in adapter_config.json; checkpoints name the configuration by it in lower case. */
  peftType: string;
  /** Its name in prose. */
  title: string;
  /** Tags in a model card, beside those of every adapter. */
  tags: string[];
  /** Prefix of its parameters' names in peft. */
  prefix: string;
  /**
   * The default configuration for a model.
   *
   * @param names What the parts of a layer are called in this model.
   * @param given The options that were given.
   */
  defaults(names: LayerNames, given: Partial<Config>): Config;
  /** The valid values of its own options. */
  rules: { [Option in keyof Config]?: Rule<Config> };
  /** Fields of adapter_config.json that are floating-point numbers, which Python writes with a point. */
  floats: string[];
  /** Fields of adapter_config.json that are not supported, and peft's value for "off". */
  unsupported: Record<string, unknown>;
  /** Fields of adapter_config.json that have no effect on a saved adapter, and what peft writes. */
  irrelevant: Record<string, unknown>;
  /** Its own options that name layers of a model, to be checked. */
  references(config: Config, linears: string[], adapted: string[]): Reference[];
  /** Which of its own options excludes a linear layer. */
  excludedBy?(module: string, config: Config): string | undefined;
  /** Adjusts a configuration whose "all-linear" is replaced by the names of the layers. */
  nameTargets?(config: Config, modules: string[]): void;
  /** Biases that are trained too. @default {none} */
  trainedBiases?(config: Config): "none" | "all" | "adapted";
  /**
   * Wraps a linear layer.
   *
   * @param module Its name.
   * @param random Source of the initial values.
   */
  wrap(module: string, base: Linear, config: Config, random: Random): Layer;
  /**
   * Names and shapes of what {@link Method.parameters} gives, before there is a layer.
   *
   * @param shape The linear layer's, [out, in].
   */
  shapes(
    module: string,
    shape: [number, number],
    config: Config,
  ): [name: string, shape: number[]][];
  /** The variables it trains in a layer, by what follows the layer's name in an adapter's file. */
  parameters(layer: Layer): [name: string, variable: tf.Variable][];
  /** The current name of a parameter that another version of peft may have named differently. */
  currentName?(name: string): string;
}
