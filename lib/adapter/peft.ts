import type { LayerNames } from "../model/families/family.ts";
import { visible } from "../text.ts";
import { clipped, completeConfig } from "./config.ts";
import type { Method, PeftConfig } from "./method.ts";
import { methods } from "./methods.ts";

/** The version of peft whose files are written. */
export const PEFT_VERSION = "0.21.2";

/** adapter_config.json as peft writes it, except that patterns keep their order, as the first match counts. */
export function toPeft(
  { peftType, unsupported, irrelevant, floats }: Method,
  config: PeftConfig,
): string {
  const fields: Record<string, unknown> = {
    ...unsupported,
    ...IRRELEVANT,
    ...irrelevant,
    peft_type: peftType,
  };
  for (const [name, value] of Object.entries(config)) fields[snakeCase(name)] = value;
  if (!config.modulesToSave.length) fields.modules_to_save = null;
  const sorted = Object.entries(fields).sort(([a], [b]) => a < b ? -1 : 1);
  const text = JSON.stringify(Object.fromEntries(sorted), null, 2);
  return floats.reduce(
    (text, field) => text.replace(new RegExp(`("${field}": -?\\d+)(?=,?\\n)`), "$1.0"),
    text,
  );
}

/**
 * Parses adapter_config.json. Like peft, it warns of unknown fields and ignores them.
 *
 * @param path The file, for messages.
 * @param names What the parts of a layer are called in the model.
 * @throws {TypeError} When it is not JSON, is invalid, or asks for something that changes the numbers and is not
 * supported.
 */
export function fromPeft(
  text: string,
  path: string,
  names: LayerNames,
): { method: Method; config: PeftConfig } {
  try {
    const raw: Record<string, unknown> = parse(text);
    const method = methods.find(({ peftType }) => peftType === raw.peft_type);
    if (!method) {
      throw new TypeError(
        `'peft_type' must be ${methods.map(({ peftType }) => peftType).join(" or ")}: ` +
          `current value is ${clipped(raw.peft_type)}. Other adapters are not supported`,
      );
    }
    for (const [key, off] of Object.entries(method.unsupported)) {
      if (raw[key] === undefined || raw[key] === null || raw[key] === off) continue;
      throw new TypeError(
        `'${key}' must be ${JSON.stringify(off)}: current value is ${clipped(raw[key])}. ` +
          "Adapters with this option are not supported",
      );
    }
    const defaults = Object.entries(method.defaults(names, {}));
    const known = [
      ...defaults.map(([name]) => snakeCase(name)),
      ...Object.keys({ ...method.unsupported, ...method.irrelevant, ...IRRELEVANT }),
      "peft_type",
    ];
    const unknown = Object.keys(raw).filter((key) => !known.includes(key));
    if (unknown.length) {
      console.warn(`${path}: unknown fields are ignored: ${visible(`${unknown}`)}`);
    }
    const given = defaults.flatMap(([name, standard]) => {
      const value = raw[snakeCase(name)];
      if (value !== null) return name === "taskType" ? [[name, value ?? null]] : [[name, value]];
      // To Python, None is false; and peft fills in names that are None.
      if (typeof standard === "boolean") return [[name, false]];
      return NAMES.includes(name) ? [] : [[name, null]];
    });
    const config = completeConfig(method, names, Object.fromEntries(given));
    return { method, config };
  } catch (error) {
    throw new TypeError(`Cannot load ${path}: ${(error as Error).message}`, { cause: error });
  }
}

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function parse(text: string): Record<string, unknown> {
  const raw = JSON.parse(text);
  if (typeof raw === "object" && raw !== null && !Array.isArray(raw)) return raw;
  throw new TypeError(`it must be an object in JSON: current value is ${clipped(raw)}`);
}

const NAMES = ["targetModules", "feedforwardModules", "modulesToSave", "baseModelNameOrPath"];

/** Fields that have no effect on a saved adapter of any method, and what peft writes. */
const IRRELEVANT: Record<string, unknown> = {
  auto_mapping: null,
  inference_mode: true,
  peft_version: PEFT_VERSION,
  revision: null,
};
