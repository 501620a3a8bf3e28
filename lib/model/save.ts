import { type StoredTensor, writeSafetensors } from "../safetensors/safetensors.ts";
import type { Classifier } from "./classifier.ts";
import { families } from "./families/families.ts";
import { classifierShapes } from "./shapes.ts";

/**
 * Saves a model so that Transformers loads it: config.json, model.safetensors and, if given, the tokenizer's files.
 * Merge an adapter first.
 *
 * @param tokenizerFiles Paths of files to copy beside the weights. @default {[]}
 * @throws {Error} When an adapter that is not merged would get lost, or the weights are held at four bits.
 */
export async function saveModel(
  { config, labels, parameters }: Classifier,
  folder: string,
  tokenizerFiles: string[] = [],
): Promise<void> {
  if ([...parameters.values()].some(({ dtype }) => dtype !== "float32")) {
    throw new Error(
      "Cannot save the model as 'loadIn4bit' must be false: current value is true. Save the adapter with " +
        "saveAdapter; to merge it, load it with the model in float32",
    );
  }
  const { body, head } = classifierShapes(families[config.modelType], config, labels.length);
  const added = [...parameters.keys()].find((name) => !(name in body) && !(name in head));
  if (added) {
    throw new Error(
      `Cannot save the model as '${added}' must be merged first: call mergeAdapter, or saveAdapter instead`,
    );
  }
  await Deno.mkdir(folder, { recursive: true });
  const tensors = new Map<string, StoredTensor>();
  for (const [name, variable] of parameters) {
    tensors.set(name, {
      dtype: "F32",
      shape: variable.shape,
      data: await variable.data<"float32">(),
    });
  }
  await writeSafetensors(`${folder}/model.safetensors`, tensors);
  const json = {
    ...config.raw,
    architectures: [families[config.modelType].architecture],
    dtype: "float32",
    id2label: Object.fromEntries(labels.map((label, i) => [i, label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    problem_type: "single_label_classification",
  };
  await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify(json, null, 2) + "\n");
  for (const file of tokenizerFiles) {
    await Deno.copyFile(file, `${folder}/${file.split("/").at(-1)}`);
  }
}
