import * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../batches.ts";
import type { Random } from "../device/random.ts";
import type { ModelConfig } from "./config.ts";
import { attention, dropout, gelu, layerNorm } from "./kernels.ts";

/** What a network's parts are called from: weights and linear layers by their names in a checkpoint. */
export interface Network {
  config: ModelConfig;
  parameter<T extends tf.Tensor>(name: string): T;
  /** y = x·Wᵀ + b, [N, in] → [N, out]; an adapter may stand in for it. */
  linear(name: string, x: tf.Tensor2D, random?: Random): tf.Tensor2D;
}

/**
 * The encoder of BERT and RoBERTa: hidden states [B·T, H] of the last layer.
 *
 * @param prefix What the encoder's names begin with, such as `bert.`.
 * @param positionIds Which position each token has, [B·T].
 * @param random Source of dropout; without it there is none.
 * @see Devlin et al., BERT, 2018; modeling_bert.py of Transformers
 */
export function encode(
  network: Network,
  prefix: string,
  batch: Batch,
  positionIds: Int32Array,
  random?: Random,
): tf.Tensor2D {
  const { config } = network;
  const [B, T, A] = [batch.size, batch.length, config.numAttentionHeads];
  const D = config.hiddenSize / A;

  const norm = (name: string, x: tf.Tensor2D) =>
    layerNorm(
      x,
      network.parameter(`${prefix}${name}.weight`),
      network.parameter(`${prefix}${name}.bias`),
      config.layerNormEps,
    );
  const linear = (name: string, x: tf.Tensor2D) => network.linear(`${prefix}${name}`, x, random);
  const drop = (x: tf.Tensor2D) => dropout(x, config.hiddenDropoutProb, random);
  const heads = (x: tf.Tensor2D) =>
    // [B·T, H] → [B, A, T, D]
    tf.transpose(tf.reshape(x, [B, T, A, D]), [0, 2, 1, 3]) as tf.Tensor4D;
  const joined = (x: tf.Tensor4D) =>
    // [B, A, T, D] → [B·T, H]
    tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [B * T, A * D]) as tf.Tensor2D;

  const embed = (table: string, ids: Int32Array) =>
    tf.gather(
      network.parameter<tf.Tensor2D>(`${prefix}embeddings.${table}.weight`),
      tf.tensor1d(ids),
    );
  const words = embed("word_embeddings", batch.inputIds);
  const positions = embed("position_embeddings", positionIds);
  const types = embed("token_type_embeddings", new Int32Array(1)); // one text, so every token is of type 0
  let x = drop(norm("embeddings.LayerNorm", tf.add(tf.add(words, types), positions)));

  const padding = Float32Array.from(batch.attentionMask, (token) => token ? 0 : -1e9);
  const mask = tf.tensor4d(padding, [B, 1, 1, T]);
  for (let i = 0; i < config.numHiddenLayers; i++) {
    const layer = `encoder.layer.${i}.`;
    const q = heads(linear(`${layer}attention.self.query`, x));
    const k = heads(linear(`${layer}attention.self.key`, x));
    const v = heads(linear(`${layer}attention.self.value`, x));
    const context = joined(attention(q, k, v, mask, config.attentionProbsDropoutProb, random));
    const attended = drop(linear(`${layer}attention.output.dense`, context));
    x = norm(`${layer}attention.output.LayerNorm`, tf.add(attended, x));
    const wide = gelu(linear(`${layer}intermediate.dense`, x)); // [B·T, I]
    x = norm(`${layer}output.LayerNorm`, tf.add(drop(linear(`${layer}output.dense`, wide)), x));
  }
  return x;
}

/** Names and shapes of the encoder's parameters, in a checkpoint's layout: linear weights are [out, in]. */
export function encoderShapes(config: ModelConfig): Record<string, number[]> {
  const { hiddenSize: H, intermediateSize: I } = config;
  const linear = (name: string, output: number, input: number) => ({
    [`${name}.weight`]: [output, input],
    [`${name}.bias`]: [output],
  });
  const norm = (name: string) => ({ [`${name}.weight`]: [H], [`${name}.bias`]: [H] });
  const shapes: Record<string, number[]> = {
    "embeddings.word_embeddings.weight": [config.vocabSize, H],
    "embeddings.position_embeddings.weight": [config.maxPositionEmbeddings, H],
    "embeddings.token_type_embeddings.weight": [config.typeVocabSize, H],
    ...norm("embeddings.LayerNorm"),
  };
  for (let i = 0; i < config.numHiddenLayers; i++) {
    const layer = `encoder.layer.${i}.`;
    Object.assign(
      shapes,
      linear(`${layer}attention.self.query`, H, H),
      linear(`${layer}attention.self.key`, H, H),
      linear(`${layer}attention.self.value`, H, H),
      linear(`${layer}attention.output.dense`, H, H),
      norm(`${layer}attention.output.LayerNorm`),
      linear(`${layer}intermediate.dense`, I, H),
      linear(`${layer}output.dense`, H, I),
      norm(`${layer}output.LayerNorm`),
    );
  }
  return shapes;
}
