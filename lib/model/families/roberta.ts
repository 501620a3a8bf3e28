import * as tf from "@tensorflow/tfjs-core";
import { dropout } from "../../kernels/dropout.ts";
import { bertEncoder } from "./bert.ts";
import { type Family, linearShapes, type Positions } from "./family.ts";

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

/** A head of two linear layers, with dropout before each and an activation between them. */
export const twoLayerHead = (
  activation: (x: tf.Tensor2D) => tf.Tensor2D,
): Pick<Family, "headShapes" | "head"> => ({
  headShapes: (hidden, classes) => ({
    ...linearShapes("classifier.dense", hidden, hidden),
    ...linearShapes("classifier.out_proj", classes, hidden),
  }),
  head(network, first, random) {
    const drop = (x: tf.Tensor2D) => dropout(x, network.config.classifierDropout, random);
    const hidden = activation(network.linear("classifier.dense", drop(first), random));
    return network.linear("classifier.out_proj", drop(hidden), random);
  },
});

/** @see Liu et al., RoBERTa, 2019; modeling_roberta.py of Transformers */
export const roberta: Family = {
  ...bertEncoder("roberta."),
  architecture: "RobertaForSequenceClassification",
  ignored: /^lm_head\.|^(roberta\.)?pooler\.|\.position_ids$/,
  nullable: ["classifier_dropout"], // positions count from the padding's id
  defaults: { vocab_size: 50265, pad_token_id: 1 },
  padded: ["word_embeddings", "position_embeddings"],
  positions: afterPadding,
  ...twoLayerHead(tf.tanh),
};
