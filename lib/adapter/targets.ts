import type { Classifier } from "../model/classifier.ts";
import { HEAD } from "./config.ts";
import type { Method, PeftConfig, Reference, Target } from "./method.ts";

/** What {@link PeftConfig.targetModules} is when all linear layers are adapted. */
export const ALL = "all-linear";

/** The linear layers that an adapter wraps, in the model's order. */
export function targets({ linears }: Classifier, method: Method, config: PeftConfig): string[] {
  return [...linears.keys()].filter((module) =>
    matches(config.targetModules, module) && !excludingOption(module, method, config)
  );
}

/** The outermost module trained in full that contains, or is, the one named. */
export function savedModule(module: string, { modulesToSave }: PeftConfig): string | undefined {
  return paths(module).find((path) => modulesToSave.some((end) => path.endsWith(end)));
}

/** "a.b.weight", or a quantised weight's scales, "a.b.weight.absmax" → "a.b" */
export const moduleOf = (parameter: string): string =>
  parameter.replace(/\.(weight|bias)\b.*$/, "");

/**
 * Checks that every given option has an effect, and the intended one. peft checks only some of this.
 *
 * @param given Names of the options that were given.
 * @throws {RangeError} When a value matches nothing, or more than it should.
 */
export function checkTargets(
  model: Classifier,
  method: Method,
  config: PeftConfig,
  given: string[],
): void {
  const linears = [...model.linears.keys()];
  const adapted = targets(model, method, config);
  const modules = [...linears, ...[...model.parameters.keys()].map(moduleOf)].flatMap(paths);
  const refuse = (option: string, what: string, value: string) => {
    const current = JSON.stringify(config[option as keyof PeftConfig]);
    throw new RangeError(
      `Cannot add an adapter as '${option}' must ${what}: current value is ${current}, of which ${value}`,
    );
  };
  const references: Reference[] = [
    { option: "targetModules", values: asTargets(config.targetModules), names: linears, matches },
    { option: "excludeModules", values: asTargets(config.excludeModules), names: linears, matches },
    {
      option: "modulesToSave",
      values: config.modulesToSave.filter((end) => !HEAD.includes(end)),
      names: modules,
      matches: (end, path) => path.endsWith(`${end}`),
    },
    ...method.references(config, linears, adapted),
  ];
  for (const { option, values, names, matches } of references) {
    if (!given.includes(option)) continue;
    const unmatched = values.filter((value) => !names.some((name) => matches(value, name)));
    if (!unmatched.length) continue;
    const ends = new Set(names.map((name) => ending(name, 2)));
    const some = [...ends].slice(0, 12).join(", ");
    refuse(option, `match existing names, such as ${some}`, `${unmatched} matches nothing`);
  }
  for (const [name, { dtype }] of model.parameters) {
    if (dtype === "float32" || !savedModule(moduleOf(name), config)) continue;
    refuse("modulesToSave", "name modules in full precision", `${name} is ${dtype}`);
  }
  for (const value of asTargets(config.targetModules)) {
    const found = linears.filter((module) => matches(value, module));
    if (!found.some((module) => adapted.includes(module))) {
      const what = `name layers that '${
        excludingOption(found[0]!, method, config)
      }' does not exclude`;
      refuse("targetModules", what, `${value} matches only ${found.join(", ")}`);
    }
    if (value === ALL) continue;
    const other = modules.find((path) =>
      !linears.includes(path) && matches(value, path) && !excludingOption(path, method, config)
    );
    if (other) {
      refuse("targetModules", "match linear layers alone", `${value} matches ${other} too`);
    }
  }
}

/** Whether a list has a suffix of a name, or a regular expression matches all of it. */
export function matches(target: Target, name: string): boolean {
  if (Array.isArray(target)) return target.some((end) => `.${name}`.endsWith(`.${end}`));
  return target === ALL || expression(target).test(name);
}

/** Matches whole names; the flag rejects most syntax that only Python has. */
export const expression = (source: string): RegExp => new RegExp(`^(?:${source})$`, "u");

/** "a.b.c" → "c" or, with two parts, "b.c" */
export const ending = (name: string, parts = 1): string => name.split(".").slice(-parts).join(".");

/** Each item of a list as a target of its own, or the one expression. */
export const asTargets = (values: Target | number[] | number | null): Target[] =>
  typeof values === "string" ? [values] : [values ?? []].flat().map((value) => [`${value}`]);

/** Which option excludes a module from being adapted. */
function excludingOption(module: string, method: Method, config: PeftConfig): string | undefined {
  if (savedModule(module, config)) return "modulesToSave";
  if (config.excludeModules && matches(config.excludeModules, module)) return "excludeModules";
  return method.excludedBy?.(module, config);
}

/** "a.b.c" → "a", "a.b", "a.b.c" */
const paths = (module: string) =>
  module.split(".").map((_, i, parts) => parts.slice(0, i + 1).join("."));
