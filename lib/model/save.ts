import { basename } from "node:path";
import { port } from "../device/port.ts";
import { isFile, writeFolder } from "../files.ts";
import { TOKENIZER_FILES } from "../hub/model.ts";
import { type TensorToWrite, writeSafetensors } from "../safetensors/safetensors.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { Classifier } from "./classifier.ts";
import { families } from "./families/families.ts";
import { classifierShapes } from "./shapes.ts";

/** Every file that a save may have written, by this library or another. */
const MODEL = /^(config\.json|model(-\d{5}-of-\d{5})?\.safetensors(\.index\.json)?)$/;
/** Fields of the base's config.json that those of a saved one would contradict; Transformers does not write them either. */
const REPLACED = ["num_labels", "_num_labels", "torch_dtype", "_name_or_path"];
const WITH_TOKENIZER = new RegExp(
  `${MODEL.source}|^(${TOKENIZER_FILES.join("|").replaceAll(".", "\\.")})$`,
);

/**
 * Saves a model so that Transformers loads it: config.json, model.safetensors and, if given, the tokenizer's files.
 * Merge an adapter first.
 *
 * A model that the folder holds is replaced in one step, shards and their index included; other files in it stay, as they
 * do for Transformers, which looks for model.safetensors first.
 *
 * @param model The classifier.
 * @param folder Where it is saved; it is created if needed.
 * @param tokenizer The tokenizer to save beside the weights; without it, one in the folder stays. @default {none}
 * @throws {Error} When an adapter is not merged and would be lost, the weights are held at four bits, the folder holds an
 * adapter, which Transformers would load onto the saved model, or the system cannot write the folder (the `cause` is the
 * system's error); an older model is then unchanged.
 */
export async function saveModel(
  { config, labels, parameters }: Classifier,
  folder: string,
  tokenizer?: Tokenizer,
): Promise<void> {
  if ([...parameters.values()].some(({ dtype }) => dtype !== "float32")) {
    throw new Error(
      "Cannot save the model as 'loadIn4bit' must be false: current value is true. Save the adapter with " +
        "saveAdapter; to merge it, load it with the model in float32",
    );
  }
  if (await isFile(`${folder}/adapter_config.json`)) {
    throw new Error(
      `Cannot save the model as ${folder} must not hold an adapter: it has adapter_config.json, and the ` +
        "adapter would be loaded onto the saved model. Save to another folder, or remove the adapter",
    );
  }
  const family = families[config.modelType];
  const { encoder, pooler, head } = classifierShapes(family, config, labels.length);
  const shapes = { ...encoder, ...pooler, ...head };
  const added = [...parameters.keys()].find((name) => !(name in shapes));
  if (added) {
    throw new Error(
      `Cannot save the model as '${added}' must be merged first. Call mergeAdapter, or save the adapter with saveAdapter`,
    );
  }
  const tensors = new Map<string, TensorToWrite>(
    Array.from(parameters, ([name, variable]) => [name, {
      dtype: "F32",
      shape: variable.shape,
      data: () => port().read(variable),
    }]),
  );
  const json = {
    ...Object.fromEntries(
      Object.entries(config.raw).filter(([field]) => !REPLACED.includes(field)),
    ),
    architectures: [family.architecture],
    dtype: "float32",
    id2label: Object.fromEntries(labels.map((label, i) => [i, label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    problem_type: "single_label_classification",
  };
  await writeFolder(folder, async (folder) => {
    await writeSafetensors(`${folder}/model.safetensors`, tensors);
    await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify(json, null, 2) + "\n");
    for (const file of tokenizer?.files ?? []) {
      await Deno.copyFile(file, `${folder}/${basename(file)}`);
    }
  }, tokenizer ? WITH_TOKENIZER : MODEL);
}
