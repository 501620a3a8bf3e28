import * as tf from "@tensorflow/tfjs-core";
import { dropout } from "../../kernels/dropout.ts";
import { fromZero } from "./bert.ts";
import { type Family, linearShapes } from "./family.ts";

/** @see Sanh et al., DistilBERT, 2019; modeling_distilbert.py of Transformers */
export const distilbert: Family = {
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
  aliases: ["hidden_size", "num_hidden_layers", "num_attention_heads"],
  nullable: ["pad_token_id"],
  defaults: { num_hidden_layers: 6, classifier_dropout: 0.2 },
  fixed: { layer_norm_eps: 1e-12 },
  embeddings: ["word_embeddings", "position_embeddings"],
  padded: ["word_embeddings"],
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
  head(network, first, random) {
    const hidden = tf.relu(network.linear("pre_classifier", first, random));
    const dropped = dropout(hidden, network.config.classifierDropout, random);
    return network.linear("classifier", dropped, random);
  },
};
