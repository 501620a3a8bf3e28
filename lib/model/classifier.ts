import * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../batches.ts";
import { openDevice } from "../device/device.ts";
import { createRandom, type Random } from "../device/random.ts";
import { findFolder, REPOSITORY_OPTIONS, type RepositoryOptions } from "../hub/folder.ts";
import { MODEL } from "../hub/model.ts";
import { float32 } from "../kernels/product.ts";
import { checkOptions } from "../options.ts";
import { type ModelConfig, readConfig } from "./config.ts";
import { encode } from "./encoder.ts";
import { families } from "./families/families.ts";
import type { Network } from "./families/family.ts";
import { labelsOf } from "./labels.ts";
import { type Linear, linear } from "./linear.ts";
import { linear4bit } from "./linear4bit.ts";
import { type ClassifierShapes, classifierShapes } from "./shapes.ts";
import { type Checkpoint, listed, readWeights } from "./weights.ts";

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
   * @throws {RangeError} When a row has more tokens than the model has positions, or an id that is not in its vocabulary.
   */
  forward(batch: Batch, random?: Random): tf.Tensor2D;
}

/** An encoder with a head that sorts texts into classes. */
export interface Classifier extends TextModel {
  /** Linear layers by module name; an adapter replaces entries. */
  linears: Map<string, Linear>;
  /** Weights that the checkpoint did not have, or had in other sizes. */
  newParameters: string[];
  /** Frees the weights; the model cannot be used afterwards. */
  dispose(): void;
}

/** How {@link loadClassifier} builds a model. */
export interface ClassifierOptions extends RepositoryOptions {
  /** Names of the classes. @default {the names in config.json; LABEL_0, LABEL_1, … where it has none, as in Transformers} */
  labels?: string[];
  /** Replaces a head of other sizes, such as one for more or fewer classes, by a new one. @default {false} */
  ignoreMismatchedSizes?: boolean;
  /** Seeds the weights of a new head. @default {42} */
  seed?: number;
  /** Replaces all dropout rates of config.json; at least 0 and below 1. */
  dropout?: number;
  /** Quantises the weights of all linear layers but the head's to four bits, to train an adapter. @default {false} */
  loadIn4bit?: boolean;
}

const OPTIONS: Record<keyof ClassifierOptions, true> = {
  labels: true,
  ignoreMismatchedSizes: true,
  seed: true,
  dropout: true,
  loadIn4bit: true,
  ...REPOSITORY_OPTIONS,
};

/**
 * Loads a BERT, RoBERTa, XLM-RoBERTa, DistilBERT or ELECTRA checkpoint as a classifier. A head or pooler that the checkpoint
 * lacks is initialised, and named in a message: its weights from a normal distribution, its biases with zeros. Tensors that
 * the model has no place for are ignored, and named too.
 *
 * @param folderOrName A folder with config.json and model.safetensors (or its index and shards), or `organisation/name`
 * of the Hub.
 * @throws {TypeError} When an option is unknown, or there is no such folder.
 * @throws {RangeError} When 'dropout' is no rate.
 * @throws {TypeError} When the model is quantised, of another architecture, or of another task than sorting each text into
 * one of several classes; `problem_type` in config.json says which.
 * @throws {TypeError} When a weight of the encoder is missing, or a weight is of another shape than config.json says.
 * @throws {SyntaxError} When a file is damaged.
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
  const { labels: given, seed = 42, dropout, loadIn4bit, ignoreMismatchedSizes, ...repository } =
    options;
  if (dropout !== undefined && !(dropout >= 0 && dropout < 1)) {
    throw new RangeError(
      `Cannot load a model as 'dropout' must be at least 0 and below 1: current value is ${dropout}`,
    );
  }
  const folder = await findFolder(folderOrName, MODEL, repository);
  const config = await readConfig(folder);
  const labels = labelsOf(config.raw, `${folder}/config.json`, given);
  await openDevice();
  if (dropout !== undefined) {
    config.hiddenDropoutProb =
      config.attentionProbsDropoutProb =
      config.classifierDropout =
        dropout;
  }
  const shapes = classifierShapes(families[config.modelType], config, labels.length);
  const checkpoint = await readWeights(folder, config, shapes, ignoreMismatchedSizes ?? false);
  const parameters = checkpoint.weights;
  try {
    const mayBeNew = { ...shapes.pooler, ...shapes.head };
    const newParameters = Object.keys(mayBeNew).filter((name) => !parameters.has(name));
    const random = createRandom(seed);
    for (const name of newParameters) {
      const shape = mayBeNew[name]!;
      const initial = () =>
        name.endsWith(".bias") ? tf.zeros(shape) : normal(random, shape, config.initializerRange);
      parameters.set(name, tf.tidy(() => tf.variable(initial())));
    }
    const { encoder, pooler } = shapes;
    const in4bit = loadIn4bit
      ? Object.keys({ ...encoder, ...pooler }).filter((name) => !newParameters.includes(name))
      : [];
    const model = await build(config, labels, parameters, newParameters, in4bit);
    announce(folder, newParameters, shapes, checkpoint);
    if (newParameters.length && given === undefined && !config.raw.id2label) {
      console.warn(
        `${folder}: neither it nor 'labels' names the classes, so they are ${listed(labels)}`,
      );
    }
    return model;
  } catch (error) {
    parameters.forEach((variable) => variable.dispose());
    throw error;
  }
}

/** Says what differs between a model and its checkpoint. */
function announce(
  folder: string,
  newParameters: string[],
  { pooler, head }: ClassifierShapes,
  { unexpected, mismatched }: Checkpoint,
) {
  if (unexpected.length) {
    console.warn(
      `${folder}: tensors that the model has no place for are ignored: ${listed(unexpected)}`,
    );
  }
  for (const [name, sizes] of mismatched) {
    const shape = head[name] ?? pooler[name];
    console.warn(`${folder}: ${name} is [${sizes}], and a new one of [${shape}] takes its place`);
  }
  if (newParameters.some((name) => name in pooler)) {
    console.warn(
      `${folder}: the pooler is new. An adapter trains and saves it only if 'modulesToSave' names it`,
    );
  }
  if (newParameters.length) console.log(`${newParameters.join(", ")}: new, will be trained`);
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
  const head: Network = { ...network, linear: (...given) => float32(network.linear(...given)) };
  return {
    config,
    labels,
    parameters,
    linears,
    newParameters,
    forward: (batch, random) =>
      tf.tidy(() => {
        checkBatch(config, batch);
        return family.head(head, encode(family, network, batch, random), random);
      }),
    dispose: () => parameters.forEach((variable) => variable.dispose()),
  };
}

function checkBatch(config: ModelConfig, { inputIds, length, rows }: Batch) {
  const limit = maxTokens(config);
  if (length > limit) {
    throw new RangeError(
      `Cannot classify as 'length' must be at most ${limit} tokens: current value is ${length}. ` +
        "Truncate the texts when tokenizing",
    );
  }
  const { vocabSize } = config;
  const wrong = inputIds.findIndex((id) => id < 0 || id >= vocabSize);
  if (wrong >= 0) {
    throw new RangeError(
      `Cannot classify as token ids must be from 0 to ${vocabSize - 1}: current value in row ` +
        `${rows[Math.floor(wrong / length)]} (the first is 0) is ${
          inputIds[wrong]
        }. Tokenize the ` +
        "texts with this model's own tokenizer",
    );
  }
}

/** How many tokens a model has positions for; RoBERTa's start after the padding's. */
export function maxTokens({ modelType, maxPositionEmbeddings, padTokenId }: ModelConfig): number {
  return maxPositionEmbeddings - families[modelType].positions.reserved(padTokenId);
}
