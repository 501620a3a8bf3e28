/** Damaged adapters: each loads, or is refused by an error of ours that names its file, and nothing is left behind. */

import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { temporaryFolder } from "../helpers/altered.ts";
import { fixture } from "../helpers/reference.ts";
import {
  addLora,
  type Classifier,
  createRandom,
  loadAdapter,
  loadClassifier,
  removeAdapter,
} from "lightweight-finetuning";

const RUNS = Number(Deno.env.get("SOAK") ?? 25) * 10; // of each kind
const OPTIONS = ["lora/together", "lora/patterns", "ia3/expression", "ia3/modules-to-save"];

const random = createRandom(7);
const below = (limit: number) => Math.floor(random.uniform(1)[0]! * limit);
const pick = <T>(values: readonly T[]) => values[below(values.length)]!;

const VALUES = [
  ...[null, true, false, 0, -1, 1, 2, 3, 0.5, 1e9, 1e308, -0, "", "x", "8", "a\nb", "\u001b[31m"],
  ...[
    "(",
    "(?i).*",
    ".*",
    "(?x)",
    "all-linear",
    ".*(.+)+,",
    "query",
    "none",
    "all",
    "eva",
    "pissa",
  ],
  ...[[], {}, [1], [-1], ["query"], ["query", "value"], ["embeddings"], ["classifier"], [[[]]]],
  ...[{ query: 1 }, { "(": 1 }, { ".*": 0 }, { a: {} }, { "__proto__": 1 }],
];

/** A text with one to three changes of its JSON or of its characters. */
function mutated(text: string): string {
  if (below(3) === 0) {
    const at = below(text.length);
    return text.slice(0, at) + pick(["", '"', "{", "]", ",", "\u0000", "9", "null"]) +
      text.slice(at + below(4));
  }
  const json = JSON.parse(text);
  const keys = Object.keys(json);
  for (let i = below(3); i >= 0; i--) json[pick(keys)] = pick(VALUES);
  return JSON.stringify(json);
}

/** A .safetensors file with another header, of the right length or not, or other bytes. */
function mutatedFile(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice();
  const size = Number(new DataView(copy.buffer).getBigUint64(0, true));
  if (below(3) === 0) {
    for (let i = below(4); i >= 0; i--) copy[below(size + 8)] = below(256);
    return copy.subarray(0, below(4) === 0 ? below(copy.length) : copy.length);
  }
  const header = JSON.parse(new TextDecoder().decode(copy.subarray(8, 8 + size)));
  const name = pick(Object.keys(header).filter((key) => key !== "__metadata__"));
  const entry = header[name];
  const change = below(4);
  if (change === 0) delete header[name];
  else if (change === 1) {
    delete header[name];
    header[pick([`${name}.x`, name.replace("weight", "bias"), "", "__proto__", name.slice(5)])] =
      entry;
  } else if (change === 2) entry.dtype = pick(["F16", "BF16", "I32", "F64", "x", null, 3]);
  else {entry.shape = pick([[], [0], [1e9, 1e9], [-1], [...entry.shape].reverse(), "x", null, [
      1.5,
    ]]);}
  const text = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + text.length + copy.length - 8 - size);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  file.set(copy.subarray(8 + size), 8 + text.length);
  return file;
}

const state = (model: Classifier) => ({
  tensors: tf.memory().numTensors,
  parameters: [...model.parameters].map(([name, x]) => [name, x.id, x.trainable, x.dataSync()[0]]),
  linears: [...model.linears.values()],
});

for (const option of OPTIONS) {
  Deno.test(`${2 * RUNS} damaged copies of ${option} load or are refused by name`, async () => {
    const { kind } = JSON.parse(await Deno.readTextFile(fixture(`${option}/expected.json`)));
    const model = await loadClassifier(fixture(kind));
    const config = await Deno.readTextFile(fixture(`${option}/adapter_config.json`));
    const bytes = await Deno.readFile(fixture(`${option}/adapter_model.safetensors`));
    await using folder = await temporaryFolder();
    const before = state(model);
    const { warn } = console;
    console.warn = () => {};
    let refused = 0;
    try {
      for (let i = 0; i < 2 * RUNS; i++) {
        const [json, file] = i % 2 ? [config, mutatedFile(bytes)] : [mutated(config), bytes];
        await Deno.writeTextFile(`${folder.path}/adapter_config.json`, json);
        await Deno.writeFile(`${folder.path}/adapter_model.safetensors`, file);
        try {
          removeAdapter(await loadAdapter(model, folder.path));
        } catch (error) {
          refused++;
          const { message } = error as Error;
          const isOurs = message.startsWith("Cannot ") && message.includes(folder.path);
          assert.ok(isOurs && message.length < 5000, `${message}\n${json}`);
          assert.doesNotMatch(
            message,
            /not iterable|not a function|reading '|properties of|call stack/,
            json,
          );
        }
        assert.deepEqual(state(model), before, json);
      }
    } finally {
      console.warn = warn;
    }
    assert.ok(refused > RUNS / 2 && refused < 2 * RUNS, `${refused}`);
    addLora(model);
  });
}
