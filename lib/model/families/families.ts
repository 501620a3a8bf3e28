import * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../../batches.ts";
import type { Random } from "../../device/random.ts";
import { dropout } from "../../kernels/dropout.ts";
import type { ModelConfig } from "../config.ts";
import type { Network } from "../encoder.ts";

/** The embedding tables that an encoder may have. */
export type EmbeddingTable = "word_embeddings" | "token_type_embeddings" | "position_embeddings";

/** What the parts of one encoder layer are called in a checkpoint. */
export interface LayerNames {
  query: string;
  key: string;
  value: string;
  attentionOutput: string;
  attentionNorm: string;
  intermediate: string;
  output: string;
  outputNorm: string;
}

/** How a family numbers the tokens of a row. */
interface Positions {
  /** Which position each token has, [B·T]. */
  ids(batch: Batch, padTokenId: number): Int32Array;
  /** Rows of the position table that no token uses. */
  reserved(padTokenId: number): number;
}

/** Where one architecture differs from the next: names, positions and the classification head. */
export interface Family {
  architecture: string;
  /** What the encoder's names begin with in a checkpoint that has a head. */
  prefix: string;
  /** Weights of a checkpoint that a classifier has no use for. */
  ignored: RegExp;
  /** Fields of config.json that are not called as BERT's are, by BERT's name. */
  fields: Record<string, string>;
  /** What a field that config.json leaves out is, by BERT's name, where it is not as in BERT. */
  defaults: Record<string, number>;
  /** In the order in which they are added up. */
  embeddings: EmbeddingTable[];
  layer(index: number): LayerNames;
  /** Dropout rate of what {@link LayerNames.attentionOutput} gives; DistilBERT has none there. */
  attentionOutputDropout(config: ModelConfig): number;
  positions: Positions;
  /** Names and shapes of what comes after the encoder and may be new. */
  headShapes(hiddenSize: number, classes: number): Record<string, number[]>;
  /** Names and shapes of what comes after the encoder and must be in the checkpoint. */
  poolerShapes(hiddenSize: number): Record<string, number[]>;
  /** Logits [B, C] from the hidden states of the first tokens [B, H]. */
  head(network: Network, first: tf.Tensor2D, random?: Random): tf.Tensor2D;
  /** What LoRA adapts where nothing else is asked for: queries and values. peft has no default for DistilBERT. */
  loraTargets: string[];
}

/** Names and shapes of a linear layer's parameters, in a checkpoint's layout. */
export const linearShapes = (name: string, output: number, input: number) => ({
  [`${name}.weight`]: [output, input],
  [`${name}.bias`]: [output],
});

const fromZero: Positions = {
  ids: ({ size, length }) => Int32Array.from({ length: size * length }, (_, i) => i % length),
  reserved: () => 0,
};

/** Tokens count up from the padding's own id + 1 (fairseq; create_position_ids_from_input_ids). */
const afterPadding: Positions = {
  ids({ inputIds, size, length }, padTokenId) {
    const positions = new Int32Array(size * length).fill(padTokenId);
    for (let row = 0; row < size; row++) {
      let position = padTokenId;
      for (let i = row * length; i < (row + 1) * length; i++) {
        if (inputIds[i] !== padTokenId) positions[i] = ++position;
      }
    }
    return positions;
  },
  reserved: (padTokenId) => padTokenId + 1,
};

const bertEncoder = (prefix: string) => ({
  prefix,
  fields: {},
  defaults: {},
  embeddings: [
    "word_embeddings",
    "token_type_embeddings",
    "position_embeddings",
  ] as EmbeddingTable[],
  layer(index: number): LayerNames {
    const layer = `${prefix}encoder.layer.${index}`;
    return {
      query: `${layer}.attention.self.query`,
      key: `${layer}.attention.self.key`,
      value: `${layer}.attention.self.value`,
      attentionOutput: `${layer}.attention.output.dense`,
      attentionNorm: `${layer}.attention.output.LayerNorm`,
      intermediate: `${layer}.intermediate.dense`,
      output: `${layer}.output.dense`,
      outputNorm: `${layer}.output.LayerNorm`,
    };
  },
  attentionOutputDropout: (config: ModelConfig) => config.hiddenDropoutProb,
  loraTargets: ["query", "value"],
});

const roberta: Family = {
  ...bertEncoder("roberta."),
  architecture: "RobertaForSequenceClassification",
  ignored: /^lm_head\.|^(roberta\.)?pooler\.|\.position_ids$/,
  defaults: { pad_token_id: 1 },
  positions: afterPadding,
  headShapes: (hidden, classes) => ({
    ...linearShapes("classifier.dense", hidden, hidden),
    ...linearShapes("classifier.out_proj", classes, hidden),
  }),
  poolerShapes: () => ({}),
  head(network, first, random) {
    const drop = (x: tf.Tensor2D) => dropout(x, network.config.classifierDropout, random);
    const hidden = tf.tanh(network.linear("classifier.dense", drop(first), random));
    return network.linear("classifier.out_proj", drop(hidden), random);
  },
};

/** The architectures this library knows, by config.json's `model_type`. */
export const families: Record<ModelConfig["modelType"], Family> = {
  bert: {
    ...bertEncoder("bert."),
    architecture: "BertForSequenceClassification",
    ignored: /^cls\.|\.position_ids$/,
    positions: fromZero,
    headShapes: (hidden, classes) => linearShapes("classifier", classes, hidden),
    poolerShapes: (hidden) => linearShapes("bert.pooler.dense", hidden, hidden),
    head(network, first, random) {
      const pooled = tf.tanh(network.linear("bert.pooler.dense", first, random));
      const dropped = dropout(pooled, network.config.classifierDropout, random);
      return network.linear("classifier", dropped, random);
    },
  },
  roberta,
  "xlm-roberta": { ...roberta, architecture: "XLMRobertaForSequenceClassification" },
  distilbert: {
    architecture: "DistilBertForSequenceClassification",
    prefix: "distilbert.",
    ignored: /^vocab_(transform|layer_norm|projector)\.|\.position_ids$/,
    fields: {
      hidden_size: "dim",
      num_hidden_layers: "n_layers",
      num_attention_heads: "n_heads",
      intermediate_size: "hidden_dim",
      hidden_act: "activation",
      hidden_dropout_prob: "dropout",
      attention_probs_dropout_prob: "attention_dropout",
      classifier_dropout: "seq_classif_dropout",
    },
    defaults: { classifier_dropout: 0.2 },
    embeddings: ["word_embeddings", "position_embeddings"],
    layer(index) {
      const layer = `distilbert.transformer.layer.${index}`;
      return {
        query: `${layer}.attention.q_lin`,
        key: `${layer}.attention.k_lin`,
        value: `${layer}.attention.v_lin`,
        attentionOutput: `${layer}.attention.out_lin`,
        attentionNorm: `${layer}.sa_layer_norm`,
        intermediate: `${layer}.ffn.lin1`,
        output: `${layer}.ffn.lin2`,
        outputNorm: `${layer}.output_layer_norm`,
      };
    },
    attentionOutputDropout: () => 0,
    positions: fromZero,
    headShapes: (hidden, classes) => ({
      ...linearShapes("pre_classifier", hidden, hidden),
      ...linearShapes("classifier", classes, hidden),
    }),
    poolerShapes: () => ({}),
    head(network, first, random) {
      const hidden = tf.relu(network.linear("pre_classifier", first, random));
      const dropped = dropout(hidden, network.config.classifierDropout, random);
      return network.linear("classifier", dropped, random);
    },
    loraTargets: ["q_lin", "v_lin"],
  },
};
