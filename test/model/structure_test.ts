import assert from "node:assert/strict";
import { fixture, KINDS } from "../helpers/reference.ts";
import {
  addIa3,
  addLora,
  loadAdapter,
  loadClassifier,
  structure,
  type TextModel,
} from "lightweight-finetuning";

/** What the lines of a tree say of each weight, by its whole name. */
function weightsIn(tree: string): Map<string, string> {
  const weights = new Map<string, string>();
  const path: string[] = [];
  for (const line of tree.split("\n")) {
    const [, indent, name, own] = line.match(/^((?: {2})*)([\w.-]+)(?:: (.*))?$/)!;
    path.splice(indent!.length / 2, Infinity, name!);
    for (const weight of own?.split(/, (?=[a-z])/i) ?? []) {
      const [, last, shape] = weight.match(/^(\S+) (.*)$/)!;
      for (const module of expanded(path.join("."))) weights.set(`${module}.${last}`, shape!);
    }
  }
  return weights;
}

/** The modules of "layer.0-2.output". */
function expanded(path: string): string[] {
  const [range, first, last] = path.match(/\b(\d+)-(\d+)\b/) ?? [];
  if (!range) return [path];
  const count = Number(last) - Number(first) + 1;
  return Array.from({ length: count }, (_, i) => path.replace(range, `${Number(first) + i}`));
}

function assertHasAll(model: TextModel) {
  const isAnyFrozen = model.parameters.values().some(({ trainable }) => !trainable);
  const expected = [...model.parameters].map(([name, { shape, trainable }]) => [
    name,
    `[${shape.join(", ")}]${trainable && isAnyFrozen ? " trained" : ""}`,
  ]);
  assert.deepEqual([...weightsIn(structure(model))].sort(), expected.sort());
}

for (const kind of KINDS) {
  Deno.test(`structure() has each weight of tiny ${kind}, and of adapters on it, once`, async () => {
    const model = await loadClassifier(fixture(kind));
    assertHasAll(model);
    assertHasAll(await loadAdapter(model, `${fixture(kind)}/adapter`));
    model.dispose();
    const other = await loadClassifier(fixture(kind));
    assertHasAll(addIa3(other));
    other.dispose();
  });
}

Deno.test("structure() puts alike layers on one line, and keeps others apart", async () => {
  const model = await loadClassifier(fixture("bert"));
  const count = model.config.numHiddenLayers;
  assert.match(structure(model), new RegExp(`^  encoder\\.layer\\.0-${count - 1}$`, "m"));
  addLora(model, { layersToTransform: [0] });
  assert.match(structure(model), /^ {2}encoder\.layer\n {4}0$/m);
  assert.ok(!structure(model).includes("0-"));
  model.dispose();
});

Deno.test("structure() says how many numbers a four-bit weight has", async () => {
  const model = await loadClassifier(fixture("bert"), { loadIn4bit: true });
  assert.match(structure(model), /query: weight \[\d+\] at 4 bits, bias \[\d+\] trained$/m);
  assert.ok(!structure(model).includes("absmax"));
  model.dispose();
});
