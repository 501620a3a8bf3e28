import type { Classifier } from "../../model/classifier.ts";
import { addAdapter } from "../adapter.ts";
import { isBoolean, isNames, isOneOf } from "../config.ts";
import { expression } from "../expression.ts";
import type { Method, Target } from "../method.ts";
import type { Adapter } from "../state.ts";
import { asTargets, ending, matches } from "../targets.ts";
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
  if (["eva", "orthogonal"].includes(`${options.initLoraWeights}`)) {
    throw new RangeError(
      `Cannot make an adapter as 'initLoraWeights' must be true, false or "gaussian": current value is ` +
        `"${options.initLoraWeights}". Make it with peft, and load it`,
    );
  }
  return addAdapter(lora, model, options);
}

const MAX_RANK = 2 ** 14; // beyond any width; a typing error must not fill the memory

const isWhole = (x: unknown) => Number.isSafeInteger(x) && x as number >= 0;
const isRank = (x: unknown) => isWhole(x) && x as number > 0 && x as number <= MAX_RANK;
const isAlpha = (x: unknown) => typeof x === "number" && x > 0 && Number.isFinite(Math.fround(x));
const areAll = (isValid: (value: unknown) => boolean) => (x: unknown) =>
  typeof x === "object" && x !== null && !Array.isArray(x) && Object.values(x).every(isValid);
const isExpression = ({ targetModules }: LoraConfig) => typeof targetModules === "string";

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
    layersPattern: null,
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
    r: { isValid: isRank, range: `a whole number above 0 and at most ${MAX_RANK}` },
    loraAlpha: { isValid: isAlpha, range: "a number above 0" },
    loraDropout: {
      isValid: (x) => typeof x === "number" && x >= 0 && x < 1,
      range: "at least 0 and below 1",
    },
    layersToTransform: {
      isValid: (x, config) =>
        x === null || !isExpression(config) && (isWhole(x) || Array.isArray(x) && x.every(isWhole)),
      range: "null where 'targetModules' is not a list, else whole numbers",
    },
    layersPattern: {
      isValid: (x, config) =>
        x === null ||
        !isExpression(config) && config.layersToTransform !== null &&
          (typeof x === "string" || isNames(x)),
      range: "null where 'layersToTransform' is, else regular expressions",
    },
    rankPattern: {
      isValid: areAll(isRank),
      range: `whole numbers above 0 and at most ${MAX_RANK} by regular expressions`,
    },
    alphaPattern: { isValid: areAll(isAlpha), range: "numbers above 0 by regular expressions" },
    useRslora: isBoolean,
    useDora: isBoolean,
    bias: { isValid: isOneOf("none", "all", "lora_only"), range: '"none", "all" or "lora_only"' },
    initLoraWeights: {
      isValid: isOneOf(true, false, "gaussian", "eva", "orthogonal"),
      range: 'true, false, "gaussian", "eva" or "orthogonal"',
      remedy:
        "Others change the base's weights, or what is trained: have peft convert the adapter, by " +
        "path_initial_model_for_weight_conversion of save_pretrained",
    },
  },
  floats: ["lora_dropout"],
  unsupported: {
    alora_invocation_tokens: null,
    arrow_config: null,
    fan_in_fan_out: false,
    kasa_config: null,
    layer_replication: null,
    lora_bias: false,
    megatron_config: null,
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
    megatron_core: "megatron.core",
    qalora_group_size: 16,
  },
  references: (
    { layersToTransform, layersPattern, rankPattern, alphaPattern },
    linears,
    adapted,
  ) => [
    {
      option: "layersToTransform",
      values: asTargets(layersToTransform),
      names: linears.map((module) => layerOf(module, layersPattern))
        .filter((layer) => layer !== undefined),
      matches,
    },
    ...Object.entries({ rankPattern, alphaPattern }).map(([option, patterns]) => ({
      option,
      values: Object.keys(patterns),
      names: adapted,
      matches: (key: Target, module: string) => matchesPattern(`${key}`, module),
    })),
  ],
  excludedBy(module, { layersToTransform, layersPattern }) {
    const chosen = [layersToTransform ?? []].flat();
    if (!chosen.length) return;
    return chosen.includes(Number(layerOf(module, layersPattern)))
      ? undefined
      : "layersToTransform";
  },
  trainedBiases: ({ bias }) => bias === "lora_only" ? "adapted" : bias,
  wrap: (module, base, config, random) => loraLayer(base, ofLayer(module, config), random),
  shapes(module, [output, input], config) {
    const { r, useDora } = ofLayer(module, config);
    return [
      ["lora_A.weight", [r, input]],
      ["lora_B.weight", [output, r]],
      ...useDora ? [["lora_magnitude_vector", [output]] as [string, number[]]] : [],
    ];
  },
  parameters: ({ A, B, magnitude }) => [
    ["lora_A.weight", A],
    ["lora_B.weight", B],
    ...magnitude ? [["lora_magnitude_vector", magnitude] as [string, typeof magnitude]] : [],
  ],
  currentName: (name) => name.replace(/(lora_magnitude_vector)\.weight$/, "$1"),
};

/** The configuration with a layer's own rank and alpha. */
const ofLayer = (module: string, config: LoraConfig): LoraConfig => ({
  ...config,
  r: patternValue(config.rankPattern, module) ?? config.r,
  loraAlpha: patternValue(config.alphaPattern, module) ?? config.loraAlpha,
});

/** The value of the first pattern that matches a layer. */
const patternValue = (patterns: Record<string, number>, module: string) =>
  Object.entries(patterns).find(([pattern]) => matchesPattern(pattern, module))?.[1];

const matchesPattern = (pattern: string, module: string) =>
  expression(`(.*\\.)?(${pattern})`).test(module);

/** The number in "bert.encoder.layer.3.output.dense". */
function layerOf(module: string, layersPattern: LoraConfig["layersPattern"]): string | undefined {
  const starts = layersPattern?.length
    ? [layersPattern].flat().map((pattern) => `(?:^|.*?\\.)${pattern}`)
    : [".*?\\.[^.]*"];
  return starts.map((start) => expression(`(?:${start}\\.(?P<idx>\\d+)\\.).*`).groups(module))
    .find((groups) => groups)?.idx;
}
