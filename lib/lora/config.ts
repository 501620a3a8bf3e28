/** What an adapter is; names and defaults are those of peft's LoraConfig. */
export interface LoraConfig {
  /** Rank of the update. @default {8} */
  r: number;
  /** The update is scaled by loraAlpha / r. @default {8} */
  loraAlpha: number;
  /** Dropout on the adapter's input. @default {0} */
  loraDropout: number;
  /** Linear layers to adapt, by the end of their names. @default {["query", "value"]} */
  targetModules: string[];
  /** Biases that are trained; only "none" is known here. @default {"none"} */
  bias: "none";
  /** Modules that are trained in full and saved with the adapter. @default {["classifier", "score"]} */
  modulesToSave: string[];
  /** Which model the adapter belongs to. @default {""} */
  baseModelNameOrPath: string;
}

const DEFAULTS: LoraConfig = {
  r: 8,
  loraAlpha: 8,
  loraDropout: 0,
  targetModules: ["query", "value"],
  bias: "none",
  modulesToSave: ["classifier", "score"],
  baseModelNameOrPath: "",
};

/**
 * Fills in what is not given.
 *
 * @throws {RangeError} When a number makes no adapter.
 */
export function loraConfig(options: Partial<LoraConfig>): LoraConfig {
  const config = { ...DEFAULTS, ...options };
  const must = (holds: boolean, name: keyof LoraConfig, range: string) => {
    if (!holds) {
      throw new RangeError(
        `Cannot make an adapter as '${name}' must be ${range}: current value is ${
          JSON.stringify(config[name])
        }`,
      );
    }
  };
  must(Number.isInteger(config.r) && config.r > 0, "r", "a whole number above 0");
  must(config.loraAlpha > 0, "loraAlpha", "above 0");
  must(config.loraDropout >= 0 && config.loraDropout < 1, "loraDropout", "at least 0 and below 1");
  must(config.bias === "none", "bias", '"none"');
  return config;
}

/** adapter_config.json as peft 0.21 writes it: sorted keys, two-space indents. */
export function toPeft(config: LoraConfig): string {
  const fields = {
    ...UNUSED,
    base_model_name_or_path: config.baseModelNameOrPath,
    bias: config.bias,
    lora_alpha: config.loraAlpha,
    lora_dropout: config.loraDropout,
    modules_to_save: config.modulesToSave,
    r: config.r,
    target_modules: config.targetModules,
  };
  return JSON.stringify(fields, Object.keys(fields).sort(), 2);
}

/**
 * Reads adapter_config.json.
 *
 * @throws {TypeError} When it asks for something that would change the numbers and is not known here.
 */
export function fromPeft(text: string, path: string): LoraConfig {
  const raw: Record<string, unknown> = JSON.parse(text);
  for (const [key, allowed] of Object.entries(SUPPORTED)) {
    const value = raw[key];
    if (value !== undefined && !allowed.includes(JSON.stringify(value))) {
      throw new TypeError(
        `Cannot load ${path} as '${key}' must be ${allowed.join(" or ")}: current value is ${
          JSON.stringify(value)
        }. Adapters with this option are not supported`,
      );
    }
  }
  const { target_modules } = raw;
  if (!Array.isArray(target_modules)) {
    throw new TypeError(
      `Cannot load ${path} as 'target_modules' must be a list of names: current value is ${
        JSON.stringify(target_modules)
      }`,
    );
  }
  return loraConfig({
    r: raw.r as number,
    loraAlpha: raw.lora_alpha as number,
    loraDropout: raw.lora_dropout as number ?? 0,
    targetModules: target_modules,
    modulesToSave: raw.modules_to_save as string[] ?? DEFAULTS.modulesToSave,
    baseModelNameOrPath: raw.base_model_name_or_path as string ?? "",
  });
}

/** Fields that peft writes for options that this library does not have, at peft's own values for "off". */
const UNUSED = {
  alpha_pattern: {},
  auto_mapping: null,
  exclude_modules: null,
  fan_in_fan_out: false,
  inference_mode: true,
  init_lora_weights: true,
  layer_replication: null,
  layers_pattern: null,
  layers_to_transform: null,
  loftq_config: {},
  lora_bias: false,
  megatron_config: null,
  megatron_core: "megatron.core",
  peft_type: "LORA",
  peft_version: "0.21.2",
  rank_pattern: {},
  revision: null,
  target_parameters: null,
  task_type: "SEQ_CLS",
  trainable_token_indices: null,
  use_dora: false,
  use_rslora: false,
};

/** Values, as JSON, at which a field of adapter_config.json leaves an adapter what this library knows. */
const SUPPORTED: Record<string, string[]> = {
  peft_type: ['"LORA"'],
  task_type: ['"SEQ_CLS"', "null"],
  bias: ['"none"'],
  init_lora_weights: ["true", "false", '"gaussian"'], // others change the base's weights as well
  alpha_pattern: ["{}", "null"],
  rank_pattern: ["{}", "null"],
  exclude_modules: ["null", "[]"],
  layers_to_transform: ["null"],
  layer_replication: ["null"],
  fan_in_fan_out: ["false"],
  lora_bias: ["false"],
  trainable_token_indices: ["null"],
  target_parameters: ["null"],
  use_dora: ["false"],
  use_rslora: ["false"],
  use_qalora: ["false"],
  use_bdlora: ["null"],
  alora_invocation_tokens: ["null"],
  arrow_config: ["null"],
  kasa_config: ["null"],
  velora_config: ["null"],
  monteclora_config: ["null"],
};
