import type * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../../batches.ts";
import type { Random } from "../../device/random.ts";

/** What an encoder is built from; fields of config.json in camelCase. */
export interface EncoderConfig {
  /** Rows of the table of word embeddings. */
  vocabSize: number;
  /** Numbers that stand for a token, H. */
  hiddenSize: number;
  /** Size of the embeddings, in families in which it may be another than the hidden size. */
  embeddingSize?: number;
  /** Layers of the encoder. */
  numHiddenLayers: number;
  /** Attention heads of a layer. */
  numAttentionHeads: number;
  /** Width of the feed-forward part. */
  intermediateSize: number;
  /** Rows of the table of positions. */
  maxPositionEmbeddings: number;
  /** Rows of the table of token types. */
  typeVocabSize: number;
  /** Added to the variance in a normalisation. */
  layerNormEps: number;
  /** Dropout rate of embeddings and of what a layer's parts give. */
  hiddenDropoutProb: number;
  /** Dropout rate of attention's weights. */
  attentionProbsDropoutProb: number;
  /** Dropout rate before the head's projection. */
  classifierDropout: number;
  /** Id of the padding token. */
  padTokenId: number;
  /** Standard deviation of new weights. */
  initializerRange: number;
  /** config.json as it came, to be saved again. */
  raw: Record<string, unknown>;
}

/** What a network's parts are called from: weights and linear layers by their names in a checkpoint. */
export interface Network {
  config: EncoderConfig;
  parameter<T extends tf.Tensor>(name: string): T;
  /** y = x·Wᵀ + b, [N, in] → [N, out]; an adapter may stand in for it. */
  linear(name: string, x: tf.Tensor2D, random?: Random): tf.Tensor2D;
}

/** The embedding tables that an encoder may have. */
export type EmbeddingTable = "word_embeddings" | "token_type_embeddings" | "position_embeddings";

/** What the parts of one encoder layer are called in a checkpoint. */
export interface LayerNames {
  /** Attention's queries, [H] → [H]. */
  query: string;
  /** Attention's keys, [H] → [H]. */
  key: string;
  /** Attention's values, [H] → [H]. */
  value: string;
  /** What follows attention, [H] → [H]. */
  attentionOutput: string;
  /** The normalisation after it. */
  attentionNorm: string;
  /** The feed-forward part's first layer, [H] → [I]. */
  intermediate: string;
  /** The feed-forward part's second layer, [I] → [H]. */
  output: string;
  /** The normalisation after it. */
  outputNorm: string;
}

/** How a family numbers the tokens of a row. */
export interface Positions {
  /** Which position each token has, [B·T]. */
  ids(batch: Batch, padTokenId: number): Int32Array;
  /** Rows of the position table that no token uses. */
  reserved(padTokenId: number): number;
}

/** Where one architecture differs from the next: names, positions and the classification head. */
export interface Family {
  /** The class in Transformers. */
  architecture: string;
  /** What the encoder's names begin with in a checkpoint that has a head. */
  prefix: string;
  /** Weights of a checkpoint that a classifier has no use for. */
  ignored: RegExp;
  /** Fields of config.json that are not called as BERT's are, by BERT's name. */
  fields: Record<string, string>;
  /**
   * What a field that config.json leaves out is, by BERT's name, where it is not as in BERT. Only with a default for
   * `embedding_size`, which BERT does not have, is that field read.
   */
  defaults: Record<string, number>;
  /** In the order in which they are added up. */
  embeddings: EmbeddingTable[];
  /** The names of a layer, by its number. */
  layer(index: number): LayerNames;
  /** Dropout rate of what {@link LayerNames.attentionOutput} gives. */
  attentionOutputDropout(config: EncoderConfig): number;
  positions: Positions;
  /** Names and shapes of what comes after the encoder and may be new. */
  headShapes(hiddenSize: number, classes: number): Record<string, number[]>;
  /** Names and shapes of what comes after the encoder and must be in the checkpoint. @default none */
  poolerShapes?(hiddenSize: number): Record<string, number[]>;
  /** Logits [B, C] from the hidden states of the first tokens [B, H]. */
  head(network: Network, first: tf.Tensor2D, random?: Random): tf.Tensor2D;
}

/** Names and shapes of a linear layer's parameters, in a checkpoint's layout. */
export const linearShapes = (
  name: string,
  output: number,
  input: number,
): Record<string, number[]> => ({
  [`${name}.weight`]: [output, input],
  [`${name}.bias`]: [output],
});
