import {
  type EmbeddingTable,
  type EncoderConfig,
  type Family,
  linearShapes,
} from "./families/family.ts";

/** The parameters of a classifier by name, with their shapes in a checkpoint: linear weights are [out, in]. */
export interface ClassifierShapes {
  /** Those that must be in a checkpoint. */
  encoder: Record<string, number[]>;
  /** Those between encoder and head, which may be new. */
  pooler: Record<string, number[]>;
  /** Those that may be new. */
  head: Record<string, number[]>;
}

/** The names and shapes of a classifier's parameters. */
export function classifierShapes(
  family: Family,
  config: EncoderConfig,
  classes: number,
): ClassifierShapes {
  const { hiddenSize } = config;
  return {
    encoder: encoderShapes(family, config),
    pooler: family.poolerShapes?.(hiddenSize) ?? {},
    head: family.headShapes(hiddenSize, classes),
  };
}

function encoderShapes(family: Family, config: EncoderConfig) {
  const { hiddenSize: H, intermediateSize: I, embeddingSize: E = H } = config;
  const { prefix, embeddings, layer } = family;
  const norm = (name: string, size: number) => ({
    [`${name}.weight`]: [size],
    [`${name}.bias`]: [size],
  });
  const rows: Record<EmbeddingTable, number> = {
    word_embeddings: config.vocabSize,
    token_type_embeddings: config.typeVocabSize,
    position_embeddings: config.maxPositionEmbeddings,
  };
  const shapes: Record<string, number[]> = {};
  for (const table of embeddings) shapes[`${prefix}embeddings.${table}.weight`] = [rows[table], E];
  Object.assign(shapes, norm(`${prefix}embeddings.LayerNorm`, E));
  if (E !== H) Object.assign(shapes, linearShapes(`${prefix}embeddings_project`, H, E));
  for (let i = 0; i < config.numHiddenLayers; i++) {
    const names = layer(i);
    Object.assign(
      shapes,
      linearShapes(names.query, H, H),
      linearShapes(names.key, H, H),
      linearShapes(names.value, H, H),
      linearShapes(names.attentionOutput, H, H),
      norm(names.attentionNorm, H),
      linearShapes(names.intermediate, I, H),
      linearShapes(names.output, H, I),
      norm(names.outputNorm, H),
    );
  }
  return shapes;
}
