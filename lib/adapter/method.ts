import type * as tf from "@tensorflow/tfjs-core";
import type { Random } from "../device/random.ts";
import type { LayerNames } from "../model/families/family.ts";
import type { Linear } from "../model/linear.ts";

/** What every adapter's configuration has; names and defaults are those of peft. */
export interface PeftConfig {
  /**
   * Linear layers to adapt: a list of ends of names, one regular expression of whole names, or "all-linear" for all
   * but those that are trained in full.
   */
  targetModules: string[] | string;
  /** Linear layers to leave out, in the same forms. @default {null} */
  excludeModules: string[] | string | null;
  /** Modules that are trained in full and saved with the adapter, by the ends of their names. @default {[]} */
  modulesToSave: string[];
  /** "SEQ_CLS" adds the head to modulesToSave, null leaves it as the model has it. @default {"SEQ_CLS"} */
  taskType: "SEQ_CLS" | null;
  /** Which model the adapter belongs to. @default {""} */
  baseModelNameOrPath: string;
}

/** A linear layer without its adapter and with it; a method adds what it trains. */
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
  /** What a valid value is, as an error says it after "must be". */
  range: string;
}

/** One name, or the end of one, or an expression: see {@link PeftConfig.targetModules}. */
export type Target = string[] | string;

/** An option whose values must each name something. */
export interface Reference {
  /** The option's name. */
  option: string;
  /** Its values. */
  values: Target[];
  /** The names that there are. */
  names: string[];
  /** Whether a value stands for a name. */
  matches(value: Target, name: string): boolean;
}

/**
 * One way to adapt linear layers, such as LoRA. All that is not the same for every method is said here: a new one is a
 * folder with this object, and a line in methods.ts.
 */
export interface Method<
  Config extends PeftConfig = PeftConfig,
  Layer extends AdaptedLayer = AdaptedLayer,
> {
  /** `peft_type` in adapter_config.json; checkpoints name the configuration by it in lower case. */
  peftType: string;
  /** What people call it. */
  title: string;
  /** Tags in a model card, beside those of every adapter. */
  tags: string[];
  /** What peft's names of its parameters begin with. */
  prefix: string;
  /**
   * The configuration of a model where nothing else is asked for.
   *
   * @param names What the parts of a layer are called in this model.
   * @param given What is asked for.
   */
  defaults(names: LayerNames, given: Partial<Config>): Config;
  /** Which values its own options may have. */
  rules: { [Option in keyof Config]?: Rule<Config> };
  /** Fields of adapter_config.json that are floating-point numbers, which Python writes with a point. */
  floats: string[];
  /** Fields of adapter_config.json that ask for what is not implemented, and peft's value for "off". */
  unsupported: Record<string, unknown>;
  /** Fields of adapter_config.json that change nothing about a saved adapter, and what peft writes. */
  irrelevant: Record<string, unknown>;
  /** Its own options that name layers of a model, to be checked. */
  references(config: Config, linears: string[], adapted: string[]): Reference[];
  /** Which of its own options keeps a linear layer from being adapted. */
  excludedBy?(module: string, config: Config): string | undefined;
  /** Changes a configuration when "all-linear" becomes the names of the layers. */
  nameTargets?(config: Config, modules: string[]): void;
  /** Biases that are trained too. @default none */
  trainedBiases?(config: Config): "none" | "all" | "adapted";
  /**
   * Wraps a linear layer.
   *
   * @param module Its name.
   * @param random Source of the first values.
   */
  wrap(module: string, base: Linear, config: Config, random: Random): Layer;
  /** What it trains in a layer, by what stands after the layer's name in an adapter's file. */
  parameters(layer: Layer): [name: string, variable: tf.Variable][];
  /** The name that a parameter has today, where another peft wrote it under an older one. */
  currentName?(name: string): string;
}
