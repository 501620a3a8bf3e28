import * as tf from "@tensorflow/tfjs-core";
import { dropout } from "../../kernels/dropout.ts";
import { type Family, linearShapes, type Positions } from "./family.ts";

/** Tokens are numbered from zero, padding too. */
export const fromZero: Positions = {
  ids: ({ size, length }) => Int32Array.from({ length: size * length }, (_, i) => i % length),
  reserved: () => 0,
};

/** What families share whose encoder is BERT's under another prefix. */
export const bertEncoder = (
  prefix: string,
): Pick<
  Family,
  | "prefix"
  | "fields"
  | "nullable"
  | "defaults"
  | "embeddings"
  | "padded"
  | "layer"
  | "attentionOutputDropout"
  | "positions"
> => ({
  prefix,
  fields: {},
  nullable: ["classifier_dropout", "pad_token_id"],
  defaults: {},
  embeddings: ["word_embeddings", "token_type_embeddings", "position_embeddings"],
  padded: ["word_embeddings"],
  layer(index) {
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
  attentionOutputDropout: (config) => config.hiddenDropoutProb,
  positions: fromZero,
});

/** @see Devlin et al., BERT, 2018; modeling_bert.py of Transformers */
export const bert: Family = {
  ...bertEncoder("bert."),
  architecture: "BertForSequenceClassification",
  ignored: /^cls\.|\.position_ids$/,
  headShapes: (hidden, classes) => linearShapes("classifier", classes, hidden),
  poolerShapes: (hidden) => linearShapes("bert.pooler.dense", hidden, hidden),
  head(network, first, random) {
    const pooled = tf.tanh(network.linear("bert.pooler.dense", first, random));
    const dropped = dropout(pooled, network.config.classifierDropout, random);
    return network.linear("classifier", dropped, random);
  },
};
