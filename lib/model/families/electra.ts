import type * as tf from "@tensorflow/tfjs-core";
import { dropout } from "../../kernels/dropout.ts";
import { gelu } from "../../kernels/gelu.ts";
import { bertEncoder } from "./bert.ts";
import { type Family, linearShapes } from "./family.ts";

/** @see Clark et al., ELECTRA, 2020; modeling_electra.py of Transformers */
export const electra: Family = {
  ...bertEncoder("electra."),
  architecture: "ElectraForSequenceClassification",
  ignored: /^(discriminator_predictions|generator_predictions|generator_lm_head)\.|\.position_ids$/,
  defaults: {
    vocab_size: 30522,
    embedding_size: 128,
    hidden_size: 256,
    num_hidden_layers: 12,
    num_attention_heads: 4,
    intermediate_size: 1024,
  },
  headShapes: (hidden, classes) => ({
    ...linearShapes("classifier.dense", hidden, hidden),
    ...linearShapes("classifier.out_proj", classes, hidden),
  }),
  poolerShapes: () => ({}),
  head(network, first, random) {
    const drop = (x: tf.Tensor2D) => dropout(x, network.config.classifierDropout, random);
    const hidden = gelu(network.linear("classifier.dense", drop(first), random));
    return network.linear("classifier.out_proj", drop(hidden), random);
  },
};
