import type { Classifier } from "../model/classifier.ts";
import { clipped, HEAD } from "./config.ts";
import { expression } from "./expression.ts";
import type { Method, PeftConfig, Reference, Target } from "./method.ts";

/** What {@link PeftConfig.targetModules} is when all linear layers are adapted. */
export const ALL = "all-linear";

/** What an adapter trains. */
export interface TrainedParts {
  /** The linear layers that it wraps, in the model's order. */
  modules: string[];
  /** The model's own parameters that are trained beside them. */
  trained: string[];
}

/**
 * What an adapter of a configuration trains in a model.
 *
 * @throws {RangeError} When it wraps no layer, or `modulesToSave` is what peft cannot load.
 */
export function trainedParts(model: Classifier, method: Method, config: PeftConfig): TrainedParts {
  const modules = targets(model, method, config);
  checkSaved(model, config, modules);
  if (!modules.length) {
    const found = [...model.linears.keys()].find((name) => matches(config.targetModules, name));
    const option = found ? excludingOption(found, method, config)! : "targetModules";
    const current = clipped(config[option as keyof PeftConfig]);
    throw new RangeError(
      `Cannot add an adapter as '${option}' must leave a linear layer to adapt: current value is ${current}`,
    );
  }
  const biases = method.trainedBiases?.(config) ?? "none";
  const isTrained = (name: string) =>
    savedModule(moduleOf(name), config) !== undefined ||
    name.endsWith(".bias") &&
      (biases === "all" || biases === "adapted" && modules.includes(moduleOf(name)));
  return { modules, trained: [...model.parameters.keys()].filter(isTrained) };
}

function targets({ linears }: Classifier, method: Method, config: PeftConfig): string[] {
  return [...linears.keys()].filter((module) =>
    matches(config.targetModules, module) && !excludingOption(module, method, config)
  );
}

/** The outermost module trained in full that contains, or is, the one named. */
export function savedModule(module: string, config: PeftConfig): string | undefined {
  return paths(module).find((path) => isSaved(path, config));
}

/** With a task, peft compares with names that begin with those of its own wrappers. */
const isSaved = (path: string, { modulesToSave, taskType }: PeftConfig) =>
  modulesToSave.some((end) => `${taskType ? "base_model.model." : ""}${path}`.endsWith(end));

/**
 * Refuses to train in full what is held at four bits, and what peft cannot load again or does not make: a module within
 * another, around an adapted layer, or that is a list.
 */
function checkSaved({ parameters }: Classifier, config: PeftConfig, adapted: string[]) {
  const modules = new Set([...parameters.keys()].map(moduleOf).flatMap(paths));
  const saved = [...modules].filter((path) => isSaved(path, config));
  for (const path of saved) {
    const within = (other: string) => other.startsWith(`${path}.`);
    const inner = saved.find(within);
    const target = adapted.find((module) => module === path || within(module));
    const isList = [...modules].some((other) =>
      within(other) && /^\d/.test(other.slice(path.length + 1))
    );
    if (!inner && !target && !isList) continue;
    throw new RangeError(
      "Cannot add an adapter as 'modulesToSave' must name modules apart from each other and from the adapted " +
        `layers: current value is ${clipped(config.modulesToSave)}, of which ${path} ` +
        (isList
          ? "is a list of modules"
          : target === path
          ? "is adapted"
          : `contains ${inner ?? target}`) +
        ". peft cannot load such an adapter. " +
        (inner
          ? "Name one of the two, by a longer ending if need be; without a taskType the head is none"
          : "Name what is in it"),
    );
  }
  for (const [name, { dtype }] of parameters) {
    if (dtype === "float32" || !savedModule(moduleOf(name), config)) continue;
    throw new RangeError(
      "Cannot add an adapter as 'modulesToSave' must name modules in full precision: current value is " +
        `${clipped(config.modulesToSave)}, of which ${name} is ${dtype}`,
    );
  }
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
    const current = clipped(config[option as keyof PeftConfig]);
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
      matches: (end, path) => isSaved(path, { ...config, modulesToSave: [`${end}`] }),
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
  if (Array.isArray(target)) return target.some((end) => endsWith(name, end));
  return target === ALL || expression(target).test(name);
}

/** Whether the last parts of a name are those given. */
const endsWith = (name: string, end: string) => `.${name}`.endsWith(`.${end}`);

/** "a.b.c" → "c" or, with two parts, "b.c" */
export const ending = (name: string, parts = 1): string => name.split(".").slice(-parts).join(".");

/** Each item of a list as a target of its own, or the one expression. */
export const asTargets = (values: Target | number[] | number | null): Target[] =>
  typeof values === "string" ? [values] : [values ?? []].flat().map((value) => [`${value}`]);

/** Which option excludes a module from being adapted. */
function excludingOption(module: string, method: Method, config: PeftConfig): string | undefined {
  if (isWithinSaved(module, config)) return "modulesToSave";
  if (config.excludeModules && matches(config.excludeModules, module)) return "excludeModules";
  return method.excludedBy?.(module, config);
}

/** Whether peft leaves a module out as one that is trained in full: here whole parts of names count. */
function isWithinSaved(module: string, config: PeftConfig): boolean {
  if (config.targetModules === ALL) return savedModule(module, config) !== undefined;
  return paths(module).some((path) => config.modulesToSave.some((end) => endsWith(path, end)));
}

/** "a.b.c" → "a", "a.b", "a.b.c" */
const paths = (module: string) =>
  module.split(".").map((_, i, parts) => parts.slice(0, i + 1).join("."));
