import { join } from "node:path";
import { loadAdapter } from "../adapter/file.ts";
import { isFile } from "../files.ts";
import { findFolder, REPOSITORY_OPTIONS, type RepositoryOptions } from "../hub/folder.ts";
import { MODEL_OR_ADAPTER } from "../hub/model.ts";
import { type Classifier, loadClassifier } from "../model/classifier.ts";
import { checkOptions } from "../options.ts";
import { openSafetensors } from "../safetensors/safetensors.ts";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";
import { type Classification, classify, type ClassifyOptions } from "./classify.ts";

/** A model that classifies texts. */
export interface Pipeline {
  /** The most likely class of each text. */
  (texts: string[]): Promise<Classification[]>;
  /** As {@link classify} with these options. */
  (texts: string[], options: ClassifyOptions & { topK: number }): Promise<Classification[][]>;
  /** The model, with its adapter if it has one. */
  model: Classifier;
  /** The tokenizer of the model. */
  tokenizer: Tokenizer;
}

/** Options of {@link loadPipeline}. */
export interface PipelineOptions extends RepositoryOptions {
  /** The base model of an adapter, a folder or a name on the Hub. @default {the one that adapter_config.json names} */
  base?: string;
  /** Names of the classes. @default {the model's; for an adapter, which stores none, LABEL_0, LABEL_1, …} */
  labels?: string[];
}

const OPTIONS: Record<keyof PipelineOptions, true> = {
  base: true,
  labels: true,
  ...REPOSITORY_OPTIONS,
};

/**
 * Makes a function of texts from a saved model, or from an adapter and its base, as Transformers' `pipeline` does.
 *
 * @param folderOrName A folder that saveModel or saveAdapter wrote, or `organisation/name` of the Hub.
 * @throws {TypeError} When an option is unknown; when an adapter names no base and none is given.
 *
 * @example
 * ```ts ignore
 * import { loadPipeline } from "lightweight-finetuning";
 * const pipeline = await loadPipeline("runs/sample/full/model");
 * await pipeline(["Rates rise again"]); // [{ label: "Business", score: 0.97 }]
 * ```
 */
export async function loadPipeline(
  folderOrName: string,
  options: PipelineOptions = {},
): Promise<Pipeline> {
  checkOptions("load a pipeline", options, OPTIONS);
  const { base, labels, ...repository } = options;
  const { revision: _ofThis, ...hub } = repository;
  const folder = await findFolder(folderOrName, MODEL_OR_ADAPTER, repository);
  const configPath = join(folder, "adapter_config.json");
  const config = await isFile(configPath) && JSON.parse(await Deno.readTextFile(configPath));
  const from = config ? base ?? config.base_model_name_or_path : folder;
  if (!from) {
    throw new TypeError(
      `Cannot load a pipeline as 'base_model_name_or_path' in ${configPath} must name the adapter's ` +
        `base: current value is ${JSON.stringify(from)}. Give the base's folder or name as 'base'`,
    );
  }
  const names = labels ?? (config ? await headLabels(folder) : undefined);
  const model = await loadClassifier(from, { ...hub, ...names && { labels: names } });
  if (config) await loadAdapter(model, folder);
  const tokenizer = await loadTokenizer(from, hub);
  const run = (texts: string[], options = {}) => classify(model, tokenizer, texts, options);
  return Object.assign(run as Pipeline, { model, tokenizer });
}

/** LABEL_0, LABEL_1, … for the classes of an adapter's own head, as Transformers names them; undefined without one. */
async function headLabels(folder: string): Promise<string[] | undefined> {
  using file = await openSafetensors(join(folder, "adapter_model.safetensors"));
  const [, head] =
    [...file.tensors].find(([name]) =>
      /\.(classifier|score|classifier\.out_proj)(\.modules_to_save)?\.weight$/.test(name)
    ) ?? [];
  return head && Array.from({ length: head.shape[0]! }, (_, i) => `LABEL_${i}`);
}
