import * as tf from "@tensorflow/tfjs-core";
import { clip, isFile, readJson } from "../files.ts";
import { type Dtype, openSafetensors, toFloat32 } from "../safetensors/safetensors.ts";
import type { ModelConfig } from "./config.ts";
import { families } from "./families/families.ts";
import type { Family } from "./families/family.ts";
import type { ClassifierShapes } from "./shapes.ts";

const FLOATS: Dtype[] = ["F32", "F64", "F16", "BF16"];

const UNQUANTISED =
  "Quantised weights cannot be loaded. Load the model that they were made from, with " +
  "'loadIn4bit: true' to hold it at four bits";

const OTHER_HEAD =
  "Give as many 'labels' as the checkpoint has classes, or set 'ignoreMismatchedSizes' " +
  "to replace the head by a new one";

/** What a checkpoint's files hold of a model. */
export interface Checkpoint {
  /** The model's weights, by the names that a classifier's checkpoint has. */
  weights: Map<string, tf.Variable>;
  /** Names of tensors that the model has no place for. */
  unexpected: string[];
  /** Sizes of what has others in the model, by name; none without `ignoreMismatchedSizes`. */
  mismatched: Map<string, number[]>;
}

/**
 * Reads a checkpoint's weights into variables. A whole `model.safetensors` goes before an index and its shards, as in
 * Transformers.
 *
 * Transformers also draws what the encoder lacks; a random layer inside a pretrained encoder is nobody's wish, so it is
 * refused here.
 *
 * @param shapes The encoder's weights must be there, the others may be.
 * @param ignoreMismatchedSizes Passes over weights after the encoder that have other sizes.
 * @throws {TypeError} When a file or a weight of the encoder is missing, a weight has another shape, or the weights are
 * quantised.
 * @throws {SyntaxError} When a file is damaged.
 */
export async function readWeights(
  folder: string,
  config: ModelConfig,
  { encoder, pooler, head }: ClassifierShapes,
  ignoreMismatchedSizes: boolean,
): Promise<Checkpoint> {
  checkStorage(config, folder);
  const family = families[config.modelType];
  const shapes = new Map(Object.entries({ ...encoder, ...pooler, ...head }));
  const checkpoint: Checkpoint = { weights: new Map(), unexpected: [], mismatched: new Map() };
  const { weights, unexpected, mismatched } = checkpoint;
  try {
    for (const path of await weightFiles(folder)) {
      using file = await openSafetensors(path);
      const refuse = (what: string): never => {
        throw new TypeError(`Cannot load ${path} as ${what}`);
      };
      for (const [stored, { dtype, shape }] of file.tensors) {
        const name = currentName(stored, family, shapes);
        if (family.ignored.test(name)) continue;
        const expected = shapes.get(name);
        if (!expected) {
          unexpected.push(stored);
          continue;
        }
        if (weights.has(name) || mismatched.has(name)) {
          refuse(
            `it must have each weight once: '${clip(stored)}' is a second '${name}'. Remove one`,
          );
        }
        if (!FLOATS.includes(dtype)) {
          refuse(
            `'${stored}' must be ${FLOATS.join(", ")}: current value is ${dtype}. ${UNQUANTISED}`,
          );
        }
        if (shape.join() === expected.join()) {
          const numbers = toFloat32(stored, await file.read(stored), path);
          weights.set(name, tf.tidy(() => tf.variable(tf.tensor(numbers, expected))));
          continue;
        }
        const sizes = `'${stored}' must be [${expected}]: current value is [${clip(`${shape}`)}]`;
        if (name in encoder) refuse(`${sizes}. Does config.json belong to these weights?`);
        if (!ignoreMismatchedSizes) refuse(`${sizes}. ${OTHER_HEAD}`);
        mismatched.set(name, shape);
      }
    }
    const missing = Object.keys(encoder).filter((name) => !weights.has(name));
    if (missing.length) {
      throw new TypeError(
        `Cannot load ${folder} as it must have all of the encoder's weights: missing are ` +
          `${listed(missing)}${unexpected.length ? `; it has ${listed(unexpected)}` : ""}. ` +
          "Does config.json belong to these weights?",
      );
    }
    return checkpoint;
  } catch (error) {
    weights.forEach((variable) => variable.dispose());
    throw error;
  }
}

/** The first of some names, which can be thousands. */
export function listed(names: string[]): string {
  const more = names.length > 10 ? ` and ${names.length - 10} more` : "";
  return names.slice(0, 10).map(clip).join(", ") + more;
}

/** Bare encoders lack the prefix, and old checkpoints name a normalisation's weights gamma and beta. */
function currentName(stored: string, { prefix }: Family, shapes: Map<string, number[]>) {
  const name = stored.replace(/LayerNorm\.gamma$/, "LayerNorm.weight")
    .replace(/LayerNorm\.beta$/, "LayerNorm.bias");
  return shapes.has(prefix + name) ? prefix + name : name;
}

/** Refuses what config.json says of the weights' form, if it is not the usual one. */
function checkStorage({ raw }: ModelConfig, folder: string) {
  const remedies = {
    quantization_config: UNQUANTISED,
    transformers_weights: "Call that file model.safetensors, and remove the field",
  };
  for (const [field, remedy] of Object.entries(remedies)) {
    if (raw[field] === undefined || raw[field] === null) continue;
    throw new TypeError(
      `Cannot load ${folder}/config.json as '${field}' must be left out: current value is ` +
        `${clip(JSON.stringify(raw[field]))}. ${remedy}`,
    );
  }
}

async function weightFiles(folder: string): Promise<string[]> {
  const [whole, index] = [`${folder}/model.safetensors`, `${folder}/model.safetensors.index.json`];
  if (await isFile(whole)) return [whole];
  if (!await isFile(index)) {
    const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
    const others = names.filter((name) => /\.(bin|h5|msgpack|gguf|onnx|safetensors)$/.test(name));
    throw new TypeError(
      `Cannot load ${folder} as it must hold model.safetensors, or its index and shards: it has ` +
        `${listed(others.sort()) || "no weights"}. Download it again, or make them in Python: ` +
        "AutoModelForSequenceClassification.from_pretrained(folder).save_pretrained(folder)",
    );
  }
  const { weight_map } = await readJson(index);
  const files = [...new Set(Object.values(weight_map ?? {}))];
  if (!files.length || files.some((file) => typeof file !== "string" || /[/\\]/.test(file))) {
    throw new TypeError(
      `Cannot load ${index} as 'weight_map' must name a file beside it for each weight: current ` +
        `value is ${clip(JSON.stringify(weight_map) ?? "undefined")}. Download or save it again`,
    );
  }
  const paths = files.map((file) => `${folder}/${file}`);
  const areFiles = await Promise.all(paths.map(isFile));
  const missing = (files as string[]).filter((_, i) => !areFiles[i]);
  if (missing.length) {
    throw new TypeError(
      `Cannot load ${index} as every file that it names must be beside it: missing are ` +
        `${listed(missing)}. Download them again`,
    );
  }
  return paths;
}
