import type { LayerNames } from "../model/families/family.ts";
import { checkOptions, withDefaults } from "../options.ts";
import type { AdaptedLayer, Method, PeftConfig, Rule } from "./method.ts";

/** Names of a head in peft; a model has one of the two. */
export const HEAD = ["classifier", "score"];

/**
 * Completes a configuration.
 *
 * @param names What the parts of a layer are called in the model.
 * @throws {TypeError} When an option is unknown.
 * @throws {RangeError} When a value is invalid.
 */
export function completeConfig<Config extends PeftConfig, Layer extends AdaptedLayer>(
  method: Method<Config, Layer>,
  names: LayerNames,
  options: Partial<Config>,
): Config {
  const defaults = method.defaults(names, options);
  checkOptions("make an adapter", options, defaults);
  const config = withDefaults(defaults, options);
  const rules: Record<string, Rule<Config>> = { ...RULES, ...method.rules };
  for (const [name, { isValid, range, remedy }] of Object.entries(rules)) {
    const value = config[name as keyof Config];
    if (!isValid(value, config)) {
      throw new RangeError(
        `Cannot make an adapter as '${name}' must be ${range}: current value is ` +
          clipped(value) + (remedy ? `. ${remedy}` : ""),
      );
    }
  }
  if (config.taskType) config.modulesToSave = [...new Set([...config.modulesToSave, ...HEAD])];
  return config;
}

/** Whether a value is a list of strings. */
export const isNames = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((name) => typeof name === "string");

/** Makes a check that a value is one of those given. */
export const isOneOf = (...values: unknown[]): (value: unknown) => boolean => (value) =>
  values.includes(value);

/** Checks that a value is true or false. */
export const isBoolean: Rule<unknown> = {
  isValid: (value) => typeof value === "boolean",
  range: "true or false",
};

/** A value as an error shows it; a file can hold megabytes. */
export function clipped(value: unknown): string {
  const text = JSON.stringify(value) ?? `${value}`;
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

const RULES: Record<string, Rule<PeftConfig>> = {
  targetModules: {
    isValid: (x) => (typeof x === "string" || isNames(x)) && x.length > 0,
    range: 'a list of names, a regular expression or "all-linear"',
  },
  excludeModules: {
    isValid: (x) => x === null || typeof x === "string" || isNames(x),
    range: "null, a list of names or a regular expression",
  },
  modulesToSave: {
    isValid: (x) => isNames(x) && x.every((name) => /^[\w.]+$/.test(name)),
    range: "a list of names",
  },
  baseModelNameOrPath: { isValid: (x) => typeof x === "string", range: "a name or a folder" },
  taskType: { isValid: isOneOf("SEQ_CLS", null), range: '"SEQ_CLS" or null' },
};
