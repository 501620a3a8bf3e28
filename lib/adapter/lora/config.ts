import { checkOptions } from "../../options.ts";

/** What an adapter is; names and defaults are those of peft's LoraConfig. */
export interface LoraConfig {
  /** Rank of the update. @default {8} */
  r: number;
  /** The update is scaled by loraAlpha / r. @default {8} */
  loraAlpha: number;
  /** Dropout on the adapter's input. @default {0} */
  loraDropout: number;
  /**
   * Linear layers to adapt: a list of ends of names, one regular expression of whole names, or "all-linear" for all
   * but those that are trained in full. @default {["query", "value"], of DistilBERT ["q_lin", "v_lin"]}
   */
  targetModules: string[] | string;
  /** Linear layers to leave out, in the same forms. @default {null} */
  excludeModules: string[] | string | null;
  /** Numbers of the encoder's layers to adapt; null is all. @default {null} */
  layersToTransform: number[] | number | null;
  /** Other ranks, by regular expressions of names or of their ends; the first that matches counts. @default {{}} */
  rankPattern: Record<string, number>;
  /** Other alphas, likewise. @default {{}} */
  alphaPattern: Record<string, number>;
  /** Modules that are trained in full and saved with the adapter, by the ends of their names. @default {[]} */
  modulesToSave: string[];
  /** Biases that are trained too: none, all, or the adapted layers'. @default {"none"} */
  bias: "none" | "all" | "lora_only";
  /** Scale by loraAlpha / √r instead (Kalajdzievski, rsLoRA, 2023). @default {false} */
  useRslora: boolean;
  /** Train the lengths of the weights' rows apart from their directions (Liu et al., DoRA, 2024). @default {false} */
  useDora: boolean;
  /** A uniform, or normal with "gaussian", and B zero; with false B is random too. @default {true} */
  initLoraWeights: boolean | "gaussian";
  /** "SEQ_CLS" adds the head to modulesToSave, null leaves it as the model has it. @default {"SEQ_CLS"} */
  taskType: "SEQ_CLS" | null;
  /** Which model the adapter belongs to. @default {""} */
  baseModelNameOrPath: string;
}

export const DEFAULTS: LoraConfig = {
  r: 8,
  loraAlpha: 8,
  loraDropout: 0,
  targetModules: ["query", "value"],
  excludeModules: null,
  layersToTransform: null,
  rankPattern: {},
  alphaPattern: {},
  modulesToSave: [],
  bias: "none",
  useRslora: false,
  useDora: false,
  initLoraWeights: true,
  taskType: "SEQ_CLS",
  baseModelNameOrPath: "",
};

/** What peft calls a head; a model has one of the two. */
export const HEAD = ["classifier", "score"];

/**
 * Fills in what is not given.
 *
 * @throws {TypeError} When an option's name is none.
 * @throws {RangeError} When a value makes no adapter.
 */
export function loraConfig(options: Partial<LoraConfig>): LoraConfig {
  checkOptions("make an adapter", options, DEFAULTS);
  const config = { ...DEFAULTS, ...options };
  for (const [name, isValid, range] of RULES) {
    if (!isValid(config[name], config)) {
      throw new RangeError(
        `Cannot make an adapter as '${name}' must be ${range}: current value is ${
          JSON.stringify(config[name])
        }`,
      );
    }
  }
  if (config.taskType) config.modulesToSave = [...new Set([...config.modulesToSave, ...HEAD])];
  return config;
}

/** Matches whole names; the flag makes an error of most of what only Python's expressions have. */
export const expression = (source: string) => new RegExp(`^(?:${source})$`, "u");

type Check = (value: unknown, config: LoraConfig) => boolean;

const isCount: Check = (x) => Number.isInteger(x) && (x as number) > 0;
const isAbove0: Check = (x) => Number.isFinite(x) && (x as number) > 0;
const isNames: Check = (x) => Array.isArray(x) && x.every((name) => typeof name === "string");
const isOneOf = (...values: unknown[]): Check => (x) => values.includes(x);
const areAll = (check: Check): Check => (x, config) =>
  Object.values(x as object).every((value) => check(value, config));

const RULES: [name: keyof LoraConfig, isValid: Check, range: string][] = [
  ["r", isCount, "a whole number above 0"],
  ["loraAlpha", isAbove0, "above 0"],
  ["loraDropout", (x) => (x as number) >= 0 && (x as number) < 1, "at least 0 and below 1"],
  [
    "targetModules",
    (x, config) => (typeof x === "string" || isNames(x, config)) && (x as string).length > 0,
    'a list of names, a regular expression or "all-linear"',
  ],
  [
    "layersToTransform",
    (x, { targetModules }) => x === null || typeof targetModules !== "string",
    "null where 'targetModules' is no list",
  ],
  ["rankPattern", areAll(isCount), "whole numbers above 0 by regular expressions"],
  ["alphaPattern", areAll(isAbove0), "numbers above 0 by regular expressions"],
  ["modulesToSave", isNames, "a list of names"],
  ["bias", isOneOf("none", "all", "lora_only"), '"none", "all" or "lora_only"'],
  ["initLoraWeights", isOneOf(true, false, "gaussian"), 'true, false or "gaussian"'],
  ["taskType", isOneOf("SEQ_CLS", null), '"SEQ_CLS" or null'],
];
