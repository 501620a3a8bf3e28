import * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../batches.ts";
import type { Random } from "../device/random.ts";
import type { ModelConfig } from "./config.ts";
import type { Network } from "./encoder.ts";
import { dropout } from "./kernels.ts";

/** Where one architecture differs from the next: names, positions and the classification head. */
export interface Family {
  architecture: string;
  /** What the encoder's names begin with in a checkpoint that has a head. */
  prefix: string;
  /** Weights of a checkpoint that a classifier has no use for. */
  ignored: RegExp;
  positionIds(batch: Batch, padTokenId: number): Int32Array;
  /** Names and shapes of what comes after the encoder and may be new. */
  headShapes(hiddenSize: number, classes: number): Record<string, number[]>;
  /** Names and shapes of what comes after the encoder and must be in the checkpoint. */
  poolerShapes(hiddenSize: number): Record<string, number[]>;
  /** Logits [B, C] from the hidden states of the first tokens [B, H]. */
  head(network: Network, first: tf.Tensor2D, random?: Random): tf.Tensor2D;
}

const dense = (name: string, output: number, input: number) => ({
  [`${name}.weight`]: [output, input],
  [`${name}.bias`]: [output],
});

/** The architectures this library knows, by config.json's `model_type`. */
export const families: Record<ModelConfig["modelType"], Family> = {
  bert: {
    architecture: "BertForSequenceClassification",
    prefix: "bert.",
    ignored: /^cls\.|\.position_ids$/,
    positionIds: ({ size, length }) =>
      Int32Array.from({ length: size * length }, (_, i) => i % length),
    headShapes: (hidden, classes) => dense("classifier", classes, hidden),
    poolerShapes: (hidden) => dense("bert.pooler.dense", hidden, hidden),
    head(network, first, random) {
      const pooled = tf.tanh(network.linear("bert.pooler.dense", first, random));
      const dropped = dropout(pooled, network.config.classifierDropout, random);
      return network.linear("classifier", dropped, random);
    },
  },
  roberta: {
    architecture: "RobertaForSequenceClassification",
    prefix: "roberta.",
    ignored: /^lm_head\.|^roberta\.pooler\.|\.position_ids$/,
    // Tokens count up from the padding's own id + 1 (fairseq; create_position_ids_from_input_ids).
    positionIds({ inputIds, size, length }, padTokenId) {
      const positions = new Int32Array(size * length).fill(padTokenId);
      for (let row = 0; row < size; row++) {
        let position = padTokenId;
        for (let i = row * length; i < (row + 1) * length; i++) {
          if (inputIds[i] !== padTokenId) positions[i] = ++position;
        }
      }
      return positions;
    },
    headShapes: (hidden, classes) => ({
      ...dense("classifier.dense", hidden, hidden),
      ...dense("classifier.out_proj", classes, hidden),
    }),
    poolerShapes: () => ({}),
    head(network, first, random) {
      const drop = (x: tf.Tensor2D) => dropout(x, network.config.classifierDropout, random);
      const hidden = tf.tanh(network.linear("classifier.dense", drop(first), random));
      return network.linear("classifier.out_proj", drop(hidden), random);
    },
  },
};
