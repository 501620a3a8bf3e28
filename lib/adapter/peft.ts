import { DEFAULTS, type LoraConfig, loraConfig } from "./lora/config.ts";

/** adapter_config.json as peft 0.21 writes it, but with patterns in the order in which they count. */
export function toPeft(lora: LoraConfig): string {
  const fields: Record<string, unknown> = { ...OFF, ...IRRELEVANT };
  for (const [name, value] of Object.entries(lora)) fields[snakeCase(name)] = value;
  if (!lora.modulesToSave.length) fields.modules_to_save = null;
  const sorted = Object.entries(fields).sort(([a], [b]) => a < b ? -1 : 1);
  const text = JSON.stringify(Object.fromEntries(sorted), null, 2);
  return text.replace('"lora_dropout": 0,', '"lora_dropout": 0.0,'); // as Python writes a float
}

/**
 * Reads adapter_config.json; like peft, it warns of fields that it does not know and ignores them.
 *
 * @throws {TypeError} When it is no JSON, has no sense, or asks for something that changes the numbers and is not here.
 */
export function fromPeft(text: string, path: string): LoraConfig {
  try {
    const raw: Record<string, unknown> = { task_type: null, ...JSON.parse(text) };
    for (const [key, off] of Object.entries(OFF)) {
      if (isEmpty(raw[key]) || raw[key] === off) continue;
      throw new TypeError(
        `'${key}' must be ${JSON.stringify(off)}: current value is ${JSON.stringify(raw[key])}. ` +
          "Adapters with this option are not supported",
      );
    }
    const options = Object.entries(DEFAULTS).map(([name, standard]) => {
      const value = raw[snakeCase(name)];
      return [name, value ?? (name === "taskType" ? null : standard)];
    });
    const known = [
      ...options.map(([name]) => snakeCase(name)),
      ...Object.keys({ ...OFF, ...IRRELEVANT }),
    ];
    const unknown = Object.keys(raw).filter((key) => !known.includes(key));
    if (unknown.length) console.warn(`${path}: ignored, as they are not known, are ${unknown}`);
    return loraConfig(Object.fromEntries(options));
  } catch (error) {
    throw new TypeError(`Cannot load ${path}: ${(error as Error).message}`, { cause: error });
  }
}

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

const isEmpty = (value: unknown) => ["null", "[]", "{}", undefined].includes(JSON.stringify(value));

/** Options that are not here, and peft's own value for "off". */
const OFF: Record<string, unknown> = {
  alora_invocation_tokens: null,
  arrow_config: null,
  fan_in_fan_out: false,
  kasa_config: null,
  layer_replication: null,
  layers_pattern: null,
  lora_bias: false,
  monteclora_config: null,
  peft_type: "LORA",
  target_parameters: null,
  trainable_token_indices: null,
  use_bdlora: null,
  use_qalora: false,
  velora_config: null,
};

/** Fields that change nothing about a saved adapter, and what peft writes. */
const IRRELEVANT: Record<string, unknown> = {
  auto_mapping: null,
  corda_config: null,
  ensure_weight_tying: false,
  eva_config: null,
  inference_mode: true,
  loftq_config: {},
  lora_ga_config: null,
  megatron_config: null,
  megatron_core: "megatron.core",
  peft_version: "0.21.2",
  qalora_group_size: 16,
  revision: null,
};
