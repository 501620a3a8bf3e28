import { clip, isFile, readJson } from "../files.ts";
import { families, type ModelType } from "./families/families.ts";
import type { EncoderConfig } from "./families/family.ts";

/** A model's configuration: fields of config.json in camelCase. */
export interface ModelConfig extends EncoderConfig {
  /** The model's family. */
  modelType: ModelType;
}

const CORRECT = "Correct it, or download the file again";
const UNSUPPORTED = "Nothing else is supported: choose another checkpoint";

/** What a number may be. */
interface Range {
  range: string;
  holds: (value: number) => boolean;
}

const isCount = (value: number) => Number.isSafeInteger(value) && value > 0;
const COUNT: Range = { range: "a whole number above 0", holds: isCount };
const LAYERS: Range = {
  range: "a whole number from 1 to 1000",
  holds: (value) => isCount(value) && value <= 1000,
};
const RATE: Range = {
  range: "a rate, at least 0 and below 1",
  holds: (value) => value >= 0 && value < 1,
};
const NOT_NEGATIVE: Range = {
  range: "a number of at least 0",
  holds: (value) => value >= 0 && Number.isFinite(value),
};
const below = (limit: number): Range => ({
  range: `a whole number from 0 to ${limit - 1}`,
  holds: (value) => Number.isInteger(value) && value >= 0 && value < limit,
});

/**
 * Reads a checkpoint's config.json; fields that it lacks have Transformers' defaults.
 *
 * @throws {SyntaxError} When it holds no JSON object.
 * @throws {TypeError} When the architecture or one of its options is not supported, or a number is out of its range.
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
  const refuse = (key: string, range: string, value: unknown, remedy = CORRECT): never => {
    throw new TypeError(
      `Cannot load ${path} as '${key}' must be ${range}: current value is ` +
        `${clip(`${JSON.stringify(value)}`)}. ${remedy}`,
    );
  };
  const requireOneOf = (key: string, allowed: unknown[]) => {
    const range = allowed.filter((x) => x !== undefined).join(" or ");
    if (!allowed.includes(raw[key])) refuse(key, range, raw[key], UNSUPPORTED);
  };
  requireOneOf("model_type", Object.keys(families));
  const modelType = raw.model_type as ModelType;
  const { fields, aliases, nullable, defaults, fixed, positions } = families[modelType];
  const named = (key: string) =>
    aliases?.includes(key) && Object.hasOwn(raw, key) ? key : fields[key] ?? key;
  requireOneOf(named("hidden_act"), ["gelu", undefined]);
  requireOneOf("position_embedding_type", ["absolute", undefined]);
  requireOneOf("is_decoder", [false, undefined]);
  requireOneOf("add_cross_attention", [false, undefined]);
  const perLayer = raw.per_layer_config ?? undefined;
  if (perLayer !== undefined) refuse("per_layer_config", "left out", perLayer, UNSUPPORTED);
  const number = (key: string, { range, holds }: Range, fallback?: number): number => {
    const given = raw[named(key)];
    const isAbsent = given === undefined || given === null && nullable.includes(key);
    const value = fixed?.[key] ?? (isAbsent ? defaults[key] ?? fallback : given);
    if (typeof value === "number" && holds(value)) return value;
    return refuse(named(key), range, value);
  };
  const vocabSize = number("vocab_size", COUNT, 30522);
  const hiddenSize = number("hidden_size", COUNT, 768);
  const numAttentionHeads = number("num_attention_heads", COUNT, 12);
  if (hiddenSize % numAttentionHeads) {
    const range = `a divisor of '${named("hidden_size")}', ${hiddenSize}`;
    refuse(named("num_attention_heads"), range, numAttentionHeads);
  }
  const padTokenId = number("pad_token_id", below(vocabSize), 0);
  const maxPositionEmbeddings = number("max_position_embeddings", COUNT, 512);
  const reserved = positions.reserved(padTokenId);
  if (maxPositionEmbeddings <= reserved) {
    refuse(named("max_position_embeddings"), `above ${reserved}`, maxPositionEmbeddings);
  }
  const hiddenDropoutProb = number("hidden_dropout_prob", RATE, 0.1);
  return {
    modelType,
    vocabSize,
    hiddenSize,
    ...defaults.embedding_size && { embeddingSize: number("embedding_size", COUNT) },
    numHiddenLayers: number("num_hidden_layers", LAYERS, 12),
    numAttentionHeads,
    intermediateSize: number("intermediate_size", COUNT, 3072),
    maxPositionEmbeddings,
    typeVocabSize: number("type_vocab_size", COUNT, 2),
    layerNormEps: number("layer_norm_eps", NOT_NEGATIVE, 1e-12),
    hiddenDropoutProb,
    attentionProbsDropoutProb: number("attention_probs_dropout_prob", RATE, 0.1),
    classifierDropout: number("classifier_dropout", RATE, hiddenDropoutProb),
    padTokenId,
    initializerRange: number("initializer_range", NOT_NEGATIVE, 0.02) || 0.02, // as in Transformers
    raw,
  };
}
