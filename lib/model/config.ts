import { clip, isFile, readJson } from "../files.ts";
import { families, type ModelType } from "./families/families.ts";
import type { EncoderConfig } from "./families/family.ts";

/** A model's configuration: fields of config.json in camelCase. */
export interface ModelConfig extends EncoderConfig {
  /** The model's family. */
  modelType: ModelType;
}

/**
 * Reads a checkpoint's config.json; fields that it lacks have Transformers' defaults.
 *
 * @throws {SyntaxError} When it holds no JSON object.
 * @throws {TypeError} When the architecture or one of its options is not supported.
 */
export async function readConfig(folder: string): Promise<ModelConfig> {
  const path = `${folder}/config.json`;
  if (!await isFile(path)) {
    throw new TypeError(
      `Cannot load a model as '${folder}' must hold config.json: it does not. An adapter is loaded onto ` +
        "its base by loadAdapter, or together with it by loadPipeline",
    );
  }
  const raw = await readJson(path);
  const refuse = (key: string, range: string, value: unknown): never => {
    throw new TypeError(
      `Cannot load ${path} as '${key}' must be ${range}: current value is ` +
        clip(`${JSON.stringify(value)}`),
    );
  };
  const requireOneOf = (key: string, allowed: unknown[]) => {
    const range = allowed.filter((x) => x !== undefined).join(" or ");
    if (!allowed.includes(raw[key])) refuse(key, range, raw[key]);
  };
  requireOneOf("model_type", Object.keys(families));
  const modelType = raw.model_type as ModelType;
  const { fields, defaults } = families[modelType];
  const named = (key: string) => fields[key] ?? key;
  requireOneOf(named("hidden_act"), ["gelu", undefined]);
  requireOneOf("position_embedding_type", ["absolute", undefined]);
  requireOneOf("is_decoder", [false, undefined]);
  const number = (key: string, fallback?: number) => {
    const value = raw[named(key)] ?? defaults[key] ?? fallback;
    return typeof value === "number" ? value : refuse(named(key), "a number", value);
  };
  const hiddenDropoutProb = number("hidden_dropout_prob", 0.1);
  return {
    modelType,
    vocabSize: number("vocab_size"),
    hiddenSize: number("hidden_size"),
    ...defaults.embedding_size && { embeddingSize: number("embedding_size") },
    numHiddenLayers: number("num_hidden_layers"),
    numAttentionHeads: number("num_attention_heads"),
    intermediateSize: number("intermediate_size"),
    maxPositionEmbeddings: number("max_position_embeddings", 512),
    typeVocabSize: number("type_vocab_size", 2),
    layerNormEps: number("layer_norm_eps", 1e-12),
    hiddenDropoutProb,
    attentionProbsDropoutProb: number("attention_probs_dropout_prob", 0.1),
    classifierDropout: number("classifier_dropout", hiddenDropoutProb),
    padTokenId: number("pad_token_id", 0),
    initializerRange: number("initializer_range", 0.02),
    raw,
  };
}
