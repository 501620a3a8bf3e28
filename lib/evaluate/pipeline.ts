import { join } from "node:path";
import { loadAdapter } from "../adapter/file.ts";
import { isFile, readJson } from "../files.ts";
import { findFolder, REPOSITORY_OPTIONS, type RepositoryOptions } from "../hub/folder.ts";
import { MODEL, MODEL_OR_ADAPTER } from "../hub/model.ts";
import { type Classifier, loadClassifier } from "../model/classifier.ts";
import { checkOptions } from "../options.ts";
import { openSafetensors } from "../safetensors/safetensors.ts";
import { loadTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";
import { type Classification, classify, type ClassifyOptions } from "./classify.ts";

/** A model that classifies texts. */
export interface Pipeline {
  /** The most likely class of each text. */
  (texts: string[], options?: Omit<ClassifyOptions, "topK">): Promise<Classification[]>;
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
  /** Names of the classes. @default {the model's; LABEL_0, LABEL_1, … for an adapter with more or fewer classes than its base} */
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
  const config = await isFile(configPath) ? await readJson(configPath) : undefined;
  if (!config && base !== undefined) {
    throw new RangeError(
      `Cannot load a pipeline as 'base' must be left out for a whole model: current value is ${base}`,
    );
  }
  const baseName = base ?? config?.base_model_name_or_path;
  if (config && (typeof baseName !== "string" || !baseName)) {
    throw new TypeError(
      `Cannot load a pipeline as 'base_model_name_or_path' in ${configPath} must name the adapter's ` +
        `base: current value is ${
          JSON.stringify(baseName)
        }. Give the base's folder or name as 'base'`,
    );
  }
  const ofBase = base === undefined && config?.revision ? { revision: `${config.revision}` } : {};
  const modelFolder = config
    ? await findFolder(`${baseName}`, MODEL, { ...hub, ...ofBase })
    : folder;
  const tokenizer = await loadTokenizer(modelFolder);
  const classes = config && await headClasses(folder);
  const names = labels ?? (classes ? await headLabels(classes, modelFolder) : undefined);
  const model = await loadClassifier(modelFolder, {
    ...names && { labels: names },
    ignoreMismatchedSizes: classes !== undefined, // the adapter's head takes its place
  });
  try {
    if (config) await loadAdapter(model, folder);
  } catch (error) {
    model.dispose();
    throw error;
  }
  const run = (texts: string[], options = {}) => classify(model, tokenizer, texts, options);
  return Object.assign(run as Pipeline, { model, tokenizer });
}

/** How many classes an adapter's head has; undefined where it has none. */
async function headClasses(adapter: string): Promise<number | undefined> {
  const path = join(adapter, "adapter_model.safetensors");
  if (!await isFile(path)) return undefined; // loadAdapter says so
  using file = await openSafetensors(path);
  const [, head] =
    [...file.tensors].find(([name]) =>
      /\.(classifier|score|classifier\.out_proj)(\.modules_to_save)?\.weight$/.test(name)
    ) ?? [];
  return head?.shape[0];
}

/** LABEL_0, LABEL_1, … as Transformers names them; undefined where the base names as many. */
async function headLabels(classes: number, base: string): Promise<string[] | undefined> {
  const { id2label } = await readJson(join(base, "config.json"));
  if (Object.keys(id2label ?? {}).length === classes) return undefined;
  return Array.from({ length: classes }, (_, i) => `LABEL_${i}`);
}
