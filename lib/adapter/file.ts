import * as tf from "@tensorflow/tfjs-core";
import { isFile, writeFolder } from "../files.ts";
import { port } from "../device/port.ts";
import { findFolder, REPOSITORY_OPTIONS, type RepositoryOptions } from "../hub/folder.ts";
import { ADAPTER } from "../hub/model.ts";
import type { Classifier } from "../model/classifier.ts";
import { checkOptions } from "../options.ts";
import { escapeMarkdown, toYaml } from "../text.ts";
import {
  readSafetensors,
  type StoredTensor,
  toFloat32,
  writeSafetensors,
} from "../safetensors/safetensors.ts";
import { families } from "../model/families/families.ts";
import { createAdapter } from "./adapter.ts";
import type { Method, PeftConfig } from "./method.ts";
import { fromPeft, PEFT_VERSION, toPeft } from "./peft.ts";
import { type Adapter, layerParameters, requireState } from "./state.ts";
import { moduleOf, savedModule, trainedParts } from "./targets.ts";

const PREFIX = "base_model.model.";

/**
 * Saves an adapter, and what is trained beside it, as peft does: adapter_config.json, adapter_model.safetensors and,
 * if the folder has none but ours, a model card. It may be merged or disabled at the time.
 *
 * @example
 * ```ts ignore
 * import { addLora, loadClassifier, saveAdapter } from "lightweight-finetuning";
 * const adapter = addLora(await loadClassifier("runs/base"));
 * await saveAdapter(adapter, "runs/adapter"); // PeftModel.from_pretrained(model, "runs/adapter") loads it
 * ```
 */
export async function saveAdapter(adapter: Adapter, folder: string): Promise<void> {
  requireState(adapter, "save", "enabled", "disabled", "merged");
  const tensors = new Map<string, StoredTensor>();
  for (const [name, variable] of peftTensors(adapter)) {
    const data = await port().read(variable);
    tensors.set(PREFIX + name, { dtype: "F32", shape: variable.shape, data });
  }
  const keepsCard = await Deno.readTextFile(`${folder}/README.md`)
    .then((text) => !OWN_CARD.test(text), () => false);
  await writeFolder(folder, async (folder) => {
    await writeSafetensors(`${folder}/adapter_model.safetensors`, tensors);
    await Deno.writeTextFile(
      `${folder}/adapter_config.json`,
      toPeft(adapter.method, adapter.peftConfig),
    );
    if (!keepsCard) await Deno.writeTextFile(`${folder}/README.md`, card(adapter));
  }, /^adapter_(model\.safetensors|config\.json)$/);
}

/**
 * Loads an adapter that {@link saveAdapter} or any version of peft wrote onto its base model; F16 and BF16 become F32.
 * On failure the model is unchanged.
 *
 * @throws {TypeError} When the configuration asks for what is not supported, or the file lacks a tensor, holds one that
 * the model has no place for, or one of another shape.
 * @throws {Error} When the model has an adapter already.
 *
 * @example
 * ```ts ignore
 * import { loadAdapter, loadClassifier } from "lightweight-finetuning";
 * const model = await loadClassifier("FacebookAI/roberta-base", { labels: ["bad", "good"] });
 * const adapter = await loadAdapter(model, "me/reviews-lora");
 * ```
 */
export async function loadAdapter(
  model: Classifier,
  folderOrName: string,
  options: RepositoryOptions = {},
): Promise<Adapter> {
  checkOptions("load an adapter", options, REPOSITORY_OPTIONS);
  const folder = await findFolder(folderOrName, ADAPTER, options);
  const configPath = `${folder}/adapter_config.json`;
  if (!await isFile(configPath)) {
    throw new TypeError(
      `Cannot load an adapter as '${folder}' must hold adapter_config.json: it does not. A whole model ` +
        "is loaded by loadClassifier",
    );
  }
  const names = families[model.config.modelType].layer(0);
  const { method, config } = fromPeft(await Deno.readTextFile(configPath), configPath, names);
  const expected = blame(configPath, () => storedShapes(model, method, config));
  const path = `${folder}/adapter_model.safetensors`;
  const tensors = await readSafetensors(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new Deno.errors.NotFound(
      `Cannot load ${path} as it does not exist. Convert an adapter_model.bin with load_adapter and ` +
        "save_pretrained of peft",
      { cause: error },
    );
  });
  const numbers = check(currentNames(tensors, method, path), expected, config, path);
  const adapter = createAdapter(method, model, config);
  for (const [name, variable] of trainedVariables(adapter)) {
    tf.tidy(() => variable.assign(tf.tensor(numbers.get(name)!, variable.shape)));
  }
  return adapter;
}

/** Names the file in an error about what stands in it. */
function blame<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new TypeError(`Cannot load ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Names and shapes of the tensors that an adapter of a configuration has. */
function storedShapes(
  model: Classifier,
  method: Method,
  config: PeftConfig,
): Map<string, number[]> {
  const { modules, trained } = trainedParts(model, method, config);
  return new Map([
    ...modules.flatMap((module) =>
      method.shapes(module, model.linears.get(module)!.shape, config)
        .map(([name, shape]) => [`${module}.${name}`, shape] as const)
    ),
    ...trained.map((name) => [name, model.parameters.get(name)!.shape] as const),
  ]);
}

/** Returns the numbers of all tensors, before anything is allocated for the first. */
function check(
  tensors: Map<string, StoredTensor>,
  expected: Map<string, number[]>,
  config: PeftConfig,
  path: string,
): Map<string, Float32Array> {
  const missing = [...expected.keys()].filter((name) => !tensors.has(name));
  const unexpected = [...tensors.keys()].filter((name) => !expected.has(name));
  if (missing.length || unexpected.length) {
    const isHead = missing.every((name) => savedModule(moduleOf(name), config));
    throw new TypeError(
      `Cannot load ${path} as it must have exactly the tensors that adapter_config.json asks of this model: ` +
        `missing are ${abbreviated(missing)}, unexpected are ${abbreviated(unexpected)}; it has ` +
        `${abbreviated([...tensors.keys()])}. ` +
        (isHead && missing.length
          ? 'Save it again with task_type="SEQ_CLS", or set task_type and modules_to_save to null in ' +
            "adapter_config.json to keep the model's own head"
          : "Does it belong to this model?"),
    );
  }
  return new Map([...expected].map(([name, shape]) => {
    const tensor = tensors.get(name)!;
    if (tensor.shape.join() !== shape.join()) {
      throw new TypeError(
        `Cannot load ${path} as '${name}' must be [${shape}]: current value is [${tensor.shape}]. ` +
          "Do adapter_config.json and the model's sizes belong to it?",
      );
    }
    return [name, toFloat32(name, tensor, path)];
  }));
}

const abbreviated = (names: string[]) =>
  `[${names.slice(0, 4).join(", ")}${names.length > 4 ? ` and ${names.length - 4} more` : ""}]`;

/** The adapter's own values, by the names of the parameters. */
function trainedVariables(adapter: Adapter): Map<string, tf.Variable> {
  const { model, originals, state } = adapter;
  const variables = new Map(layerParameters(adapter));
  for (const [name, original] of originals) {
    variables.set(name, state === "disabled" ? original : model.parameters.get(name)!);
  }
  return variables;
}

function differ(...tensors: [StoredTensor, StoredTensor]): boolean {
  const [a, b] = tensors.map(({ data: { buffer, byteOffset, byteLength } }) =>
    new Uint8Array(buffer, byteOffset, byteLength)
  );
  return a!.length !== b!.length || a!.some((byte, i) => byte !== b![i]);
}

/** The tensors of an adapter's file by the names of the parameters, whichever version of peft wrote it. */
function currentNames(
  tensors: Map<string, StoredTensor>,
  { prefix, currentName = (name) => name }: Method,
  path: string,
): Map<string, StoredTensor> {
  const inner = new RegExp(`(${prefix}\\w+|modules_to_save)\\.default\\b`);
  const current = new Map<string, StoredTensor>();
  for (const [key, tensor] of tensors) {
    if (key.includes(".original_module.")) continue; // the base's own
    const name = key.replace(PREFIX, "")
      .replace(inner, "$1")
      .replace(/\.(modules_to_save|base_layer)\./, ".");
    const other = current.get(currentName(name));
    if (other && differ(other, tensor)) {
      throw new TypeError(
        `Cannot load ${path} as it must have each tensor once: current value is two that differ for ` +
          `'${currentName(name)}', the second of them '${key}'`,
      );
    }
    current.set(currentName(name), tensor);
  }
  return current;
}

/** What is saved, by peft's names; with `bias: "all"` peft saves the head's biases three times. */
function peftTensors(adapter: Adapter): [string, tf.Variable][] {
  const { method, layers, peftConfig, model, originals, state } = adapter;
  const allBiases = method.trainedBiases?.(peftConfig) === "all";
  return [...trainedVariables(adapter)].flatMap(([name, variable]): [string, tf.Variable][] => {
    const module = moduleOf(name);
    if (!name.endsWith(".bias")) return [[name, variable]];
    if (layers.has(module)) return [[`${module}.base_layer.bias`, variable]];
    const path = savedModule(module, peftConfig);
    if (!path || !allBiases) return [[name, variable]];
    const original = state === "disabled" ? model.parameters.get(name)! : originals.get(name)!;
    const copy = path === module ? "modules_to_save" : "modules_to_save.default";
    const within = (part: string) => name.replace(path, `${path}.${part}`);
    return [[name, variable], [within("original_module"), original], [within(copy), variable]];
  });
}

function card({ method, peftConfig: { baseModelNameOrPath: base }, model }: Adapter): string {
  const tags = [...base ? [`base_model:adapter:${base}`] : [], ...method.tags, "transformers"];
  const metadata = { ...base && { base_model: base }, library_name: "peft", tags };
  const yaml = Object.entries(metadata).map(([name, value]) => `${name}: ${toYaml(value)}\n`);
  return `---
${yaml.join("")}---

# ${method.title} adapter${base && ` for ${escapeMarkdown(base)}`}

Sorts texts into ${
    model.labels.map(escapeMarkdown).join(", ")
  }; adapter_config.json says how it was trained. In Python,
\`peft.PeftModel.from_pretrained\` lays it onto the base model for sequence classification.

### Framework versions

- PEFT ${PEFT_VERSION}
`;
}

/** A card that {@link card} wrote, in this version or an earlier one, and nobody has changed since. */
const OWN_CARD = new RegExp(
  "^---\\n(?:base_model: .*\\n)?library_name: .*\\ntags:.*\\n(?:- .*\\n)*---\\n\\n# (?:LoRA|IA³) adapter.*\\n\\n" +
    "Sorts texts into .*; adapter_config\\.json says how it was trained\\. In Python,\\n.* lays it onto the base " +
    "model for sequence classification\\.\\n\\n### Framework versions\\n\\n- PEFT [\\d.]+\\n$",
);
