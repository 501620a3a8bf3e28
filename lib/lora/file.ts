import * as tf from "@tensorflow/tfjs-core";
import type { Classifier } from "../model/classifier.ts";
import { readSafetensors, type StoredTensor, toFloat32, writeSafetensors } from "../safetensors.ts";
import { type Adapter, addLora, detach } from "./adapter.ts";
import { fromPeft, toPeft } from "./config.ts";

const PREFIX = "base_model.model.";

/**
 * Saves an adapter, and the modules trained beside it, as peft does: adapter_config.json and
 * adapter_model.safetensors, with a short model card.
 *
 * @example
 * ```ts ignore
 * await saveAdapter(adapter, "runs/sample/lora/adapter"); // PeftModel.from_pretrained(model, "runs/…") loads it
 * ```
 */
export async function saveAdapter(adapter: Adapter, folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const tensors = new Map<string, StoredTensor>();
  for (const [name, variable] of trained(adapter)) {
    tensors.set(PREFIX + name, {
      dtype: "F32",
      shape: variable.shape,
      data: await variable.data<"float32">(),
    });
  }
  await writeSafetensors(`${folder}/adapter_model.safetensors`, tensors);
  await Deno.writeTextFile(`${folder}/adapter_config.json`, toPeft(adapter.lora));
  await Deno.writeTextFile(`${folder}/README.md`, card(adapter));
}

/**
 * Loads an adapter that peft or {@link saveAdapter} wrote onto its base model; F16 and BF16 become F32.
 *
 * @throws {TypeError} When the file lacks a tensor, holds one that the model has no place for, or one of another shape.
 */
export async function loadAdapter(model: Classifier, folder: string): Promise<Adapter> {
  const configPath = `${folder}/adapter_config.json`;
  const config = fromPeft(await Deno.readTextFile(configPath), configPath);
  const path = `${folder}/adapter_model.safetensors`;
  const stored = new Map(
    [...await readSafetensors(path)].map(([name, tensor]) => [
      name.replace(PREFIX, "").replace(/(lora_[AB])\.default\./, "$1."),
      tensor,
    ]),
  );
  const trainable = new Map([...model.parameters.values()].map((x) => [x, x.trainable]));
  const adapter = addLora(model, config);
  try {
    assign(trained(adapter), stored, path);
  } catch (error) {
    const variables = [...adapter.parameters.values()];
    detach(adapter);
    for (const variable of variables) {
      if (trainable.has(variable)) variable.trainable = trainable.get(variable)!;
      else variable.dispose();
    }
    throw error;
  }
  return adapter;
}

function assign(
  expected: Map<string, tf.Variable>,
  stored: Map<string, StoredTensor>,
  path: string,
) {
  const missing = [...expected.keys()].filter((name) => !stored.has(name));
  const unexpected = [...stored.keys()].filter((name) => !expected.has(name));
  if (missing.length || unexpected.length) {
    throw new TypeError(
      `Cannot load ${path} as it must have exactly the tensors that adapter_config.json asks of this model: ` +
        `missing are [${missing.join(", ")}], unexpected are [${unexpected.join(", ")}]`,
    );
  }
  // All are checked before the first is assigned, so that a bad file changes nothing.
  const values = [...expected].map(([name, variable]) => {
    const tensor = stored.get(name)!;
    if (tensor.shape.join() !== variable.shape.join()) {
      throw new TypeError(
        `Cannot load ${path} as '${name}' must be [${variable.shape}]: current value is [${tensor.shape}]`,
      );
    }
    return { variable, data: toFloat32(name, tensor) };
  });
  for (const { variable, data } of values) {
    tf.tidy(() => variable.assign(tf.tensor(data, variable.shape)));
  }
}

function trained({ model, layers }: Adapter): Map<string, tf.Variable> {
  const pairs = [...model.parameters].filter(([, variable]) => variable.trainable);
  for (const [module, { A, B }] of layers) {
    pairs.push([`${module}.lora_A.weight`, A], [`${module}.lora_B.weight`, B]);
  }
  return new Map(pairs);
}

const card = ({ lora, model }: Adapter) =>
  `---
base_model: ${lora.baseModelNameOrPath}
library_name: peft
pipeline_tag: text-classification
tags:
- lora
---

# LoRA adapter for ${lora.baseModelNameOrPath}

Sorts texts into ${model.labels.join(", ")}. Rank ${lora.r}, alpha ${lora.loraAlpha}, on ${
    lora.targetModules.join(", ")
  }.
Load it with \`peft.PeftModel.from_pretrained\` onto ${model.config.raw.model_type} for sequence classification.
`;
