import * as tf from "@tensorflow/tfjs-core";
import type { Batch } from "../batches.ts";
import type { Random } from "../device/random.ts";
import { attention } from "../kernels/attention.ts";
import { differentiable } from "../kernels/differentiable.ts";
import { dropout } from "../kernels/dropout.ts";
import { gelu } from "../kernels/gelu.ts";
import { addNorm } from "../kernels/norm.ts";
import { float32, rounded } from "../kernels/product.ts";
import type { EmbeddingTable, EncoderConfig, Family, Network } from "./families/family.ts";

/** The lowest float32: what padding adds to attention's scores in Transformers. */
const LOWEST = -(2 - 2 ** -23) * 2 ** 127;

/**
 * Runs the encoder of BERT and similar models: the last hidden states of the first tokens, [B, H], which are all that
 * a head reads.
 *
 * @param random Source of dropout; without it there is none.
 * @see Devlin et al., BERT, 2018; modeling_bert.py of Transformers
 */
export function encode(
  family: Family,
  network: Network,
  batch: Batch,
  random?: Random,
): tf.Tensor2D {
  const { config } = network;
  const [B, T, A] = [batch.size, batch.length, config.numAttentionHeads];
  const { hiddenDropoutProb, attentionProbsDropoutProb } = config;

  const linear = (name: string, x: tf.Tensor2D) => network.linear(name, x, random);
  const norm = (name: string, x: tf.Tensor2D, residual: tf.Tensor2D, rate: number) => {
    const scale = network.parameter<tf.Variable<tf.Rank.R1>>(`${name}.weight`);
    const shift = network.parameter<tf.Variable<tf.Rank.R1>>(`${name}.bias`);
    return addNorm(x, residual, { scale, shift, epsilon: config.layerNormEps }, rate, random);
  };

  const ids: Record<EmbeddingTable, Int32Array> = {
    word_embeddings: batch.inputIds,
    token_type_embeddings: new Int32Array(1), // one text, so every token is of type 0
    position_embeddings: family.positions.ids(batch, config.padTokenId),
  };
  const embeddings = `${family.prefix}embeddings`;
  const untrained = paddingInTexts(batch, config);
  const rows = family.embeddings.map((table) => {
    const rows = tf.gather(
      network.parameter<tf.Tensor2D>(`${embeddings}.${table}.weight`),
      ids[table],
    );
    return untrained && family.padded.includes(table) ? withoutGradient(rows, untrained) : rows;
  });
  const last = rows.pop()!;
  const sum = rows.reduce((sum, rows) => tf.add(sum, rows));
  let x = dropout(norm(`${embeddings}.LayerNorm`, sum, last, 0), hiddenDropoutProb, random);
  if (x.shape[1] !== config.hiddenSize) {
    x = float32(linear(`${family.prefix}embeddings_project`, x));
  }

  const padding = Float32Array.from(batch.attentionMask, (token) => token ? 0 : LOWEST);
  const mask = tf.tensor2d(padding, [B, T]);
  const layer = (i: number, x: tf.Tensor2D) => {
    const names = family.layer(i);
    // A head reads only the first tokens, so the last layer computes no others.
    const from = i < config.numHiddenLayers - 1 ? x : firstTokens(x, B);
    const operand = rounded(x);
    const q = linear(names.query, from === x ? operand : rounded(from));
    const k = linear(names.key, operand);
    const v = linear(names.value, operand);
    const context = attention(q, k, v, mask, A, attentionProbsDropoutProb, random);
    const attended = linear(names.attentionOutput, context);
    const middle = norm(names.attentionNorm, attended, from, family.attentionOutputDropout(config));
    const wide = gelu(linear(names.intermediate, rounded(middle))); // [N, I]
    return norm(names.outputNorm, linear(names.output, wide), middle, hiddenDropoutProb);
  };
  for (let i = 0; i < config.numHiddenLayers; i++) x = tf.tidy(() => layer(i, x));
  return x;
}

/** Where a text has the padding's own id as a token, as a mask [B·T, 1]; undefined where none has. */
function paddingInTexts({ inputIds, attentionMask }: Batch, { padTokenId, raw }: EncoderConfig) {
  if (raw.pad_token_id === null) return; // torch's padding_idx is None then, and every row is trained
  const mask = inputIds.map((id, i) => id === padTokenId ? attentionMask[i]! : 0);
  return mask.includes(1) ? tf.tensor2d(mask, [mask.length, 1], "bool") : undefined;
}

/** Rows [N, H], of which those under the mask give no gradient. */
function withoutGradient(rows: tf.Tensor2D, mask: tf.Tensor2D): tf.Tensor2D {
  return differentiable({ rows }, (save) => {
    save([mask]);
    return tf.clone(rows);
  }, (dy, [mask]) => ({ rows: tf.where(mask!, tf.zerosLike(dy), dy) }));
}

/** [B·T, H] → [B, H] */
function firstTokens(x: tf.Tensor2D, size: number): tf.Tensor2D {
  const width = x.shape[1];
  const byRow = tf.reshape(x, [size, -1, width]);
  return tf.reshape(tf.slice(byRow, [0, 0, 0], [size, 1, width]), [size, width]);
}
