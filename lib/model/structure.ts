import type { Variable } from "@tensorflow/tfjs-core";
import type { TextModel } from "./classifier.ts";
import { families } from "./families/families.ts";
import { numbersOf } from "./parameters.ts";
import { classifierShapes } from "./shapes.ts";

interface Module {
  weights: string[];
  parts: Map<string, Module>;
}

/**
 * The modules of a model or an adapter as an indented tree, with the shapes of their weights. Layers that are alike share
 * a line, such as `encoder.layer.0-5`, and so does a module with its only part. Where some weights are frozen, the others
 * are marked as trained.
 *
 * @param model The model, or an adapter.
 * @returns The lines of the tree.
 * @see `print(model)` in PyTorch
 *
 * @example
 * ```ts ignore
 * import { addLora, loadClassifier, structure } from "lightweight-finetuning";
 * const model = await loadClassifier("FacebookAI/roberta-base", { labels: ["bad", "good"] });
 * console.log(structure(model));
 * console.log(structure(addLora(model)));
 * ```
 */
export function structure(
  { config, labels, parameters }: Pick<TextModel, "config" | "labels" | "parameters">,
): string {
  const { encoder, pooler, head } = classifierShapes(
    families[config.modelType],
    config,
    labels.length,
  );
  const known = Object.keys({ ...encoder, ...pooler, ...head }); // a file may have another order
  const names = new Set([...known, ...parameters.keys()]).intersection(parameters);
  const areAllTrained = parameters.values().every(({ trainable }) => trainable);
  const root: Module = { weights: [], parts: new Map() };
  for (const name of names) {
    const variable = parameters.get(name)!;
    if (!numbersOf(name, variable)) continue; // the scales of a four-bit weight
    const path = name.split(".");
    const weight = path.pop()!;
    let module = root;
    for (const part of path) {
      if (!module.parts.has(part)) module.parts.set(part, { weights: [], parts: new Map() });
      module = module.parts.get(part)!;
    }
    const mark = variable.trainable && !areAllTrained ? " trained" : "";
    module.weights.push(`${weight} ${shapeOf(name, variable)}${mark}`);
  }
  return blocks(root).flat().join("\n");
}

const shapeOf = (name: string, variable: Variable) =>
  variable.dtype === "int32"
    ? `[${numbersOf(name, variable)}] at 4 bits`
    : `[${variable.shape.join(", ")}]`;

/** The lines of each part; numbered ones that are alike are one. */
function blocks({ parts }: Module): string[][] {
  const groups: { first: string; last: string; lines: string[] }[] = [];
  for (const [name, module] of parts) {
    const lines = linesOf(module);
    const before = groups.at(-1);
    const isNext = before && /^\d+$/.test(name) && Number(before.last) + 1 === Number(name);
    if (isNext && before.lines.join("\n") === lines.join("\n")) before.last = name;
    else groups.push({ first: name, last: name, lines });
  }
  return groups.map(({ first, last, lines: [rest, ...below] }) => [
    (first === last ? first : `${first}-${last}`) + rest,
    ...below,
  ]);
}

/** A module's lines; what follows its name in the first of them. */
function linesOf(module: Module): string[] {
  const within = blocks(module);
  if (!module.weights.length && within.length === 1) {
    const [[first, ...below] = []] = within;
    return [`.${first}`, ...below];
  }
  const own = module.weights.length ? `: ${module.weights.join(", ")}` : "";
  return [own, ...within.flat().map((line) => `  ${line}`)];
}
