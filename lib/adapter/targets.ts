import type { Classifier } from "../model/classifier.ts";
import { expression, HEAD, type LoraConfig } from "./lora/config.ts";

/** The linear layers that an adapter wraps, in the model's order. */
export function targets({ linears }: Classifier, lora: LoraConfig): string[] {
  return [...linears.keys()].filter((module) =>
    matches(lora.targetModules, module) && !leftOutBy(module, lora)
  );
}

/** A layer's configuration: its own rank and alpha in place of those of all. */
export function layerConfig(module: string, lora: LoraConfig): LoraConfig {
  const own = (pattern: Record<string, number>) =>
    Object.entries(pattern).find(([key]) => matchesKey(key, module))?.[1];
  return {
    ...lora,
    r: own(lora.rankPattern) ?? lora.r,
    loraAlpha: own(lora.alphaPattern) ?? lora.loraAlpha,
  };
}

/** The outermost module that is trained in full and holds, or is, the one named. */
export function savedModule(module: string, { modulesToSave }: LoraConfig): string | undefined {
  return paths(module).find((path) => modulesToSave.some((end) => path.endsWith(end)));
}

/** "a.b.weight", or what a quantised weight has beside it → "a.b" */
export const moduleOf = (parameter: string) => parameter.replace(/\.(weight|bias)\b.*$/, "");

/**
 * Checks that everything in a configuration has an effect, and the one that was meant; peft tells some of it at most.
 *
 * @throws {RangeError} When something has none.
 */
export function checkTargets(model: Classifier, lora: LoraConfig) {
  const linears = [...model.linears.keys()];
  const adapted = targets(model, lora);
  const modules = [...linears, ...[...model.parameters.keys()].map(moduleOf)].flatMap(paths);
  const layers = linears.map(layerOf).filter((layer) => layer !== undefined);
  const saved = lora.modulesToSave.filter((end) => !HEAD.includes(end));
  const refuse = (option: keyof LoraConfig, what: string, value: string) => {
    throw new RangeError(
      `Cannot add an adapter as '${option}' must ${what}: current value is ${
        JSON.stringify(lora[option])
      }, of which ${value}`,
    );
  };
  const rows: [keyof LoraConfig, Target[], pool: string[], typeof matches][] = [
    ["targetModules", each(lora.targetModules), linears, matches],
    ["excludeModules", each(lora.excludeModules), linears, matches],
    ["layersToTransform", each(lora.layersToTransform), layers, matches],
    ["modulesToSave", saved, modules, (end, path) => path.endsWith(`${end}`)],
    ["rankPattern", Object.keys(lora.rankPattern), adapted, matchesKey],
    ["alphaPattern", Object.keys(lora.alphaPattern), adapted, matchesKey],
  ];
  for (const [option, values, pool, isMatch] of rows) {
    const unmatched = values.filter((value) => !pool.some((name) => isMatch(value, name)));
    if (!unmatched.length) continue;
    const ends = new Set(pool.map((name) => name.split(".").slice(-2).join(".")));
    const some = [...ends].slice(0, 12).join(", ");
    refuse(option, `name what is there, such as ${some}`, `${unmatched} matches nothing`);
  }
  for (const [name, { dtype }] of model.parameters) {
    if (dtype === "float32" || !savedModule(moduleOf(name), lora)) continue;
    refuse("modulesToSave", "name modules in full precision", `${name} is ${dtype}`);
  }
  for (const value of each(lora.targetModules)) {
    const found = linears.filter((module) => matches(value, module));
    if (!found.some((module) => adapted.includes(module))) {
      const what = `name layers that '${leftOutBy(found[0]!, lora)}' does not take`;
      refuse("targetModules", what, `${value} matches only ${found.join(", ")}`);
    }
    if (value === ALL) continue;
    const other = modules.find((path) =>
      !linears.includes(path) && matches(value, path) && !leftOutBy(path, lora)
    );
    if (other) {
      refuse("targetModules", "match linear layers alone", `${value} matches ${other} too`);
    }
  }
}

type Target = string[] | string;

export const ALL = "all-linear";

/** A list matches by the ends of names, a text is a regular expression. */
function matches(target: Target, name: string): boolean {
  if (Array.isArray(target)) return target.some((end) => `.${name}`.endsWith(`.${end}`));
  return target === ALL || expression(target).test(name);
}

const matchesKey = (key: Target, module: string) => expression(`(.*\\.)?(${key})`).test(module);

/** Which option keeps a module from being adapted. */
function leftOutBy(module: string, lora: LoraConfig): keyof LoraConfig | undefined {
  const { excludeModules, layersToTransform } = lora;
  if (savedModule(module, lora)) return "modulesToSave";
  if (excludeModules && matches(excludeModules, module)) return "excludeModules";
  if (layersToTransform === null) return;
  const isChosen = [layersToTransform].flat().includes(Number(layerOf(module)));
  return isChosen ? undefined : "layersToTransform";
}

/** The number in "bert.encoder.layer.3.output.dense". */
const layerOf = (module: string) => /^.*?\.[^.]*\.(\d+)\./.exec(module)?.[1];

/** "a.b.c" → "a", "a.b", "a.b.c" */
const paths = (module: string) =>
  module.split(".").map((_, i, parts) => parts.slice(0, i + 1).join("."));

const each = (values: Target | number[] | number | null): Target[] =>
  typeof values === "string" ? [values] : [values ?? []].flat().map((value) => [`${value}`]);
