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
  for (const [name, { isValid, range }] of Object.entries(rules)) {
    const value = config[name as keyof Config];
    if (!isValid(value, config)) {
      throw new RangeError(
        `Cannot make an adapter as '${name}' must be ${range}: current value is ` +
          JSON.stringify(value),
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

const RULES: Record<string, Rule<PeftConfig>> = {
  targetModules: {
    isValid: (x) => (typeof x === "string" || isNames(x)) && x.length > 0,
    range: 'a list of names, a regular expression or "all-linear"',
  },
  modulesToSave: { isValid: isNames, range: "a list of names" },
  taskType: { isValid: isOneOf("SEQ_CLS", null), range: '"SEQ_CLS" or null' },
};
