import type { Classifier } from "../../model/classifier.ts";
import { addAdapter } from "../adapter.ts";
import { isOneOf } from "../config.ts";
import type { Method, Target } from "../method.ts";
import type { Adapter } from "../state.ts";
import { asTargets, ending, expression, matches } from "../targets.ts";
import type { LoraConfig } from "./config.ts";
import { type LoraLayer, loraLayer } from "./layer.ts";

/**
 * Freezes a model and adds a LoRA adapter to it: a low-rank update on some linear layers. A is random and B zero, so
 * that a new adapter changes nothing.
 *
 * @param options Fields of {@link LoraConfig} that differ from their defaults, and `seed`. @default {42} Without
 * `targetModules`, queries and values are adapted; peft has no default for DistilBERT.
 * @returns The adapter; `model.dispose()` frees it too.
 * @throws {TypeError} When an option is unknown.
 * @throws {RangeError} When a value is invalid, or has no effect on this model.
 * @throws {Error} When the model has an adapter already.
 * @see Hu et al., LoRA, 2021; peft's get_peft_model
 *
 * @example
 * ```ts ignore
 * import { addLora, loadClassifier, trainableParameters } from "lightweight-finetuning";
 * const model = await loadClassifier("FacebookAI/roberta-base", { labels: ["bad", "good"] });
 * const adapter = addLora(model, { r: 8, loraAlpha: 16, loraDropout: 0.1 });
 * console.log(String(trainableParameters(adapter)));
 * ```
 */
export function addLora(
  model: Classifier,
  options: Partial<LoraConfig> & { seed?: number } = {},
): Adapter<LoraConfig, LoraLayer> {
  return addAdapter(lora, model, options);
}

const isCount = (x: unknown) => Number.isInteger(x) && x as number > 0;
const isAbove0 = (x: unknown) => Number.isFinite(x) && x as number > 0;
const areAll = (isValid: (value: unknown) => boolean) => (x: unknown) =>
  Object.values(x as object).every(isValid);

/** Low-rank updates, with peft's options. */
export const lora: Method<LoraConfig, LoraLayer> = {
  peftType: "LORA",
  title: "LoRA",
  tags: ["lora"],
  prefix: "lora_",
  defaults: ({ query, value }) => ({
    r: 8,
    loraAlpha: 8,
    loraDropout: 0,
    targetModules: [ending(query), ending(value)],
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
  }),
  rules: {
    r: { isValid: isCount, range: "a whole number above 0" },
    loraAlpha: { isValid: isAbove0, range: "above 0" },
    loraDropout: {
      isValid: (x) => (x as number) >= 0 && (x as number) < 1,
      range: "at least 0 and below 1",
    },
    layersToTransform: {
      isValid: (x, { targetModules }) => x === null || typeof targetModules !== "string",
      range: "null where 'targetModules' is not a list",
    },
    rankPattern: {
      isValid: areAll(isCount),
      range: "whole numbers above 0 by regular expressions",
    },
    alphaPattern: { isValid: areAll(isAbove0), range: "numbers above 0 by regular expressions" },
    bias: { isValid: isOneOf("none", "all", "lora_only"), range: '"none", "all" or "lora_only"' },
    initLoraWeights: {
      isValid: isOneOf(true, false, "gaussian"),
      range: 'true, false or "gaussian"',
    },
  },
  floats: ["lora_dropout"],
  unsupported: {
    alora_invocation_tokens: null,
    arrow_config: null,
    fan_in_fan_out: false,
    kasa_config: null,
    layer_replication: null,
    layers_pattern: null,
    lora_bias: false,
    monteclora_config: null,
    target_parameters: null,
    trainable_token_indices: null,
    use_bdlora: null,
    use_qalora: false,
    velora_config: null,
  },
  irrelevant: {
    corda_config: null,
    ensure_weight_tying: false,
    eva_config: null,
    loftq_config: {},
    lora_ga_config: null,
    megatron_config: null,
    megatron_core: "megatron.core",
    qalora_group_size: 16,
  },
  references: ({ layersToTransform, rankPattern, alphaPattern }, linears, adapted) => [
    {
      option: "layersToTransform",
      values: asTargets(layersToTransform),
      names: linears.map(layerOf).filter((layer) => layer !== undefined),
      matches,
    },
    ...Object.entries({ rankPattern, alphaPattern }).map(([option, patterns]) => ({
      option,
      values: Object.keys(patterns),
      names: adapted,
      matches: (key: Target, module: string) => matchesPattern(`${key}`, module),
    })),
  ],
  excludedBy(module, { layersToTransform }) {
    if (layersToTransform === null) return;
    const isChosen = [layersToTransform].flat().includes(Number(layerOf(module)));
    return isChosen ? undefined : "layersToTransform";
  },
  trainedBiases: ({ bias }) => bias === "lora_only" ? "adapted" : bias,
  wrap(module, base, config, random) {
    const { r, loraAlpha, rankPattern, alphaPattern } = config;
    const ofLayer = {
      ...config,
      r: patternValue(rankPattern, module) ?? r,
      loraAlpha: patternValue(alphaPattern, module) ?? loraAlpha,
    };
    return loraLayer(base, ofLayer, random);
  },
  parameters: ({ A, B, magnitude }) => [
    ["lora_A.weight", A],
    ["lora_B.weight", B],
    ...magnitude ? [["lora_magnitude_vector", magnitude] as [string, typeof magnitude]] : [],
  ],
  currentName: (name) => name.replace(/(lora_magnitude_vector)\.weight$/, "$1"),
};

/** The value of the first pattern that matches a layer. */
const patternValue = (patterns: Record<string, number>, module: string) =>
  Object.entries(patterns).find(([pattern]) => matchesPattern(pattern, module))?.[1];

const matchesPattern = (pattern: string, module: string) =>
  expression(`(.*\\.)?(${pattern})`).test(module);

/** The number in "bert.encoder.layer.3.output.dense". */
const layerOf = (module: string) => /^.*?\.[^.]*\.(\d+)\./.exec(module)?.[1];
