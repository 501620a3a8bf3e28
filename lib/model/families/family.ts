import type * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../../batches.ts";
import type { Random } from "../../device/random.ts";

/** An encoder's configuration: fields of config.json in camelCase. */
export interface EncoderConfig {
  /** Rows of the table of word embeddings. */
  vocabSize: number;
  /** Size of a token's hidden state, H. */
  hiddenSize: number;
  /** Size of the embeddings, in families in which it may differ from the hidden size. */
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
  /** Dropout rate of embeddings and of the outputs of a layer's parts. */
  hiddenDropoutProb: number;
  /** Dropout rate of attention's weights. */
  attentionProbsDropoutProb: number;
  /** Dropout rate before the head's projection. */
  classifierDropout: number;
  /** Id of the padding token. */
  padTokenId: number;
  /** Standard deviation of new weights. */
  initializerRange: number;
  /** config.json as it was read, to be saved again. */
  raw: Record<string, unknown>;
}

/** A network's weights and linear layers, by their names in a checkpoint. */
export interface Network {
  config: EncoderConfig;
  parameter<T extends tf.Tensor>(name: string): T;
  /** y = x·Wᵀ + b, [N, in] → [N, out], with the layer's adapter if it has one. */
  linear(name: string, x: tf.Tensor2D, random?: Random): tf.Tensor2D;
}

/** The embedding tables that an encoder may have. */
export type EmbeddingTable = "word_embeddings" | "token_type_embeddings" | "position_embeddings";

/** Names of the parts of one encoder layer in a checkpoint. */
export interface LayerNames {
  /** Attention's queries, [H] → [H]. */
  query: string;
  /** Attention's keys, [H] → [H]. */
  key: string;
  /** Attention's values, [H] → [H]. */
  value: string;
  /** Attention's output projection, [H] → [H]. */
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

/** How an architecture differs from others: names, positions and the classification head. */
export interface Family {
  /** The class in Transformers. */
  architecture: string;
  /** Prefix of the encoder's names in a checkpoint that has a head. */
  prefix: string;
  /** Weights of a checkpoint that a classifier does not use. */
  ignored: RegExp;
  /** Names of fields of config.json that differ from BERT's, by BERT's name. */
  fields: Record<string, string>;
  /** BERT's names that config.json may have too; they go before the family's own (`attribute_map`). @default {none} */
  aliases?: string[];
  /** Fields, by BERT's name, in which null means the default. */
  nullable: string[];
  /**
   * Defaults of fields that config.json lacks, by BERT's name, where they differ from BERT's. The field `embedding_size`,
   * which BERT does not have, is read only if it has a default.
   */
  defaults: Record<string, number>;
  /** Values that config.json cannot change, by BERT's name. @default {none} */
  fixed?: Record<string, number>;
  /** The embedding tables, in the order in which they are added. */
  embeddings: EmbeddingTable[];
  /** Those in which the padding's row is not trained (`padding_idx` of torch's Embedding). */
  padded: EmbeddingTable[];
  /** The names of a layer, by its number. */
  layer(index: number): LayerNames;
  /** Dropout rate of the output of {@link LayerNames.attentionOutput}. */
  attentionOutputDropout(config: EncoderConfig): number;
  positions: Positions;
  /** Names and shapes of the head's parameters. */
  headShapes(hiddenSize: number, classes: number): Record<string, number[]>;
  /** Names and shapes of the parameters between encoder and head. @default {none} */
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
