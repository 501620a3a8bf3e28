import * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../batches.ts";
import { openDevice } from "../device/device.ts";
import { createRandom, type Random } from "../device/random.ts";
import { findFolder, REPOSITORY_OPTIONS, type RepositoryOptions } from "../hub/folder.ts";
import { MODEL } from "../hub/model.ts";
import { checkOptions } from "../options.ts";
import { type ModelConfig, readConfig } from "./config.ts";
import { encode } from "./encoder.ts";
import { families } from "./families/families.ts";
import type { Network } from "./families/family.ts";
import { type Linear, linear } from "./linear.ts";
import { linear4bit } from "./linear4bit.ts";
import { classifierShapes } from "./shapes.ts";
import { readWeights } from "./weights.ts";

/** A model that can be trained and evaluated, or an adapter on one. */
export interface TextModel {
  /** The model's configuration. */
  config: ModelConfig;
  /** Names of the classes, by their number. */
  labels: string[];
  /** Every weight by its name in a Transformers checkpoint, in PyTorch's layout ([out, in] for linear layers). */
  readonly parameters: Map<string, tf.Variable>;
  /**
   * Logits [B, C] of a batch.
   *
   * @param random Source of dropout; without it there is none, as in evaluation.
   */
  forward(batch: Batch, random?: Random): tf.Tensor2D;
}

/** An encoder with a head that sorts texts into classes. */
export interface Classifier extends TextModel {
  /** Linear layers by module name; an adapter replaces entries. */
  linears: Map<string, Linear>;
  /** Weights that the checkpoint did not have. */
  newParameters: string[];
  /** Frees the weights; the model cannot be used afterwards. */
  dispose(): void;
}

/** How {@link loadClassifier} builds a model. */
export interface ClassifierOptions extends RepositoryOptions {
  /** Names of the classes. @default {the names in config.json} */
  labels?: string[];
  /** Seeds the weights of a new head. @default {42} */
  seed?: number;
  /** Replaces all dropout rates of config.json. */
  dropout?: number;
  /** Quantises the weights of all linear layers but the head's to four bits, to train an adapter. @default {false} */
  loadIn4bit?: boolean;
}

const OPTIONS: Record<keyof ClassifierOptions, true> = {
  labels: true,
  seed: true,
  dropout: true,
  loadIn4bit: true,
  ...REPOSITORY_OPTIONS,
};

/**
 * Loads a BERT, RoBERTa, XLM-RoBERTa, DistilBERT or ELECTRA checkpoint as a classifier. A head that the checkpoint lacks is
 * initialised: its weights from a normal distribution, its biases with zeros.
 *
 * @param folderOrName A folder with config.json and model.safetensors (or its index and shards), or `organisation/name`
 * of the Hub.
 * @throws {TypeError} When an option is unknown, or there is no such folder.
 * @throws {TypeError} When a weight of the encoder is missing, unexpected, or of another shape than config.json says.
 *
 * @example
 * ```ts ignore
 * import { loadClassifier } from "lightweight-finetuning";
 * const labels = ["World", "Sports", "Business", "Sci/Tech"];
 * const model = await loadClassifier("FacebookAI/roberta-base", { labels });
 * ```
 */
export async function loadClassifier(
  folderOrName: string,
  options: ClassifierOptions = {},
): Promise<Classifier> {
  checkOptions("load a model", options, OPTIONS);
  const { labels: given, seed = 42, dropout, loadIn4bit, ...repository } = options;
  const folder = await findFolder(folderOrName, MODEL, repository);
  await openDevice();
  const config = await readConfig(folder);
  if (dropout !== undefined) {
    config.hiddenDropoutProb =
      config.attentionProbsDropoutProb =
      config.classifierDropout =
        dropout;
  }
  const labels = given ?? labelsOf(config, folder);
  const family = families[config.modelType];
  const { body, head } = classifierShapes(family, config, labels.length);

  const parameters = await readWeights(folder, family, body, head);
  try {
    const newParameters = Object.keys(head).filter((name) => !parameters.has(name));
    const random = createRandom(seed);
    for (const name of newParameters) {
      const shape = head[name]!;
      const initial = () =>
        name.endsWith(".bias") ? tf.zeros(shape) : normal(random, shape, config.initializerRange);
      parameters.set(name, tf.tidy(() => tf.variable(initial())));
    }
    if (newParameters.length) console.log(`${newParameters.join(", ")}: new, will be trained`);
    const in4bit = loadIn4bit ? Object.keys(body) : [];
    return await build(config, labels, parameters, newParameters, in4bit);
  } catch (error) {
    parameters.forEach((variable) => variable.dispose());
    throw error;
  }
}

/** Random numbers of mean 0 and the given standard deviation. */
function normal(random: Random, shape: number[], deviation: number): tf.Tensor {
  const scale = Math.fround(deviation);
  return tf.tensor(random.normal(tf.util.sizeFromShape(shape)).map((x) => x * scale), shape);
}

async function build(
  config: ModelConfig,
  labels: string[],
  parameters: Map<string, tf.Variable>,
  newParameters: string[],
  in4bit: string[],
): Promise<Classifier> {
  const family = families[config.modelType];
  const parameter = <T extends tf.Tensor>(name: string) => parameters.get(name) as unknown as T;
  const linears = new Map<string, Linear>();
  for (const [name, { shape }] of parameters) {
    const module = name.slice(0, -".weight".length);
    if (shape.length !== 2 || name.includes("embeddings.")) continue;
    const layer = in4bit.includes(name)
      ? await linear4bit(module, parameters)
      : linear(parameter(name), parameter(`${module}.bias`));
    linears.set(module, layer);
  }
  const network: Network = {
    config,
    parameter,
    linear: (name, x, random) => linears.get(name)!.apply(x, random),
  };
  return {
    config,
    labels,
    parameters,
    linears,
    newParameters,
    forward: (batch, random) =>
      tf.tidy(() => {
        checkLength(config, batch.length);
        return family.head(network, encode(family, network, batch, random), random);
      }),
    dispose: () => parameters.forEach((variable) => variable.dispose()),
  };
}

function checkLength(config: ModelConfig, length: number) {
  const limit = maxTokens(config);
  if (length > limit) {
    throw new RangeError(
      `Cannot classify as 'length' must be at most ${limit} tokens: current value is ${length}. ` +
        "Truncate the texts when tokenizing",
    );
  }
}

/** How many tokens a model has positions for; RoBERTa's start after the padding's. */
export function maxTokens({ modelType, maxPositionEmbeddings, padTokenId }: ModelConfig): number {
  return maxPositionEmbeddings - families[modelType].positions.reserved(padTokenId);
}

function labelsOf({ raw }: ModelConfig, folder: string): string[] {
  const names = raw.id2label as Record<string, string> | undefined;
  if (!names) {
    throw new TypeError(
      `Cannot load ${folder} as 'labels' must be given where config.json has no id2label: ` +
        "current value is undefined",
    );
  }
  return Object.entries(names).sort(([a], [b]) => Number(a) - Number(b)).map(([, name]) => name);
}
