import * as tf from "@tensorflow/tfjs-core";
import { openSafetensors, toFloat32 } from "../safetensors/safetensors.ts";
import type { Family } from "./families/family.ts";

const REMEDY = "Do config.json and 'labels' belong to these weights?";

/**
 * Reads a checkpoint's weights into variables, under the names that a classifier's checkpoint has.
 *
 * @param body Names and shapes that must be there.
 * @param head Names and shapes that may be there.
 * @throws {TypeError} When a weight is missing, unexpected, or of another shape.
 */
export async function readWeights(
  folder: string,
  family: Family,
  body: Record<string, number[]>,
  head: Record<string, number[]>,
): Promise<Map<string, tf.Variable>> {
  const weights = new Map<string, tf.Variable>();
  try {
    for (const path of await weightFiles(folder)) {
      await readFile(path, family, { ...body, ...head }, weights);
    }
    const missing = Object.keys(body).filter((name) => !weights.has(name));
    if (missing.length) {
      throw new TypeError(
        `Cannot load ${folder} as it must have all of the encoder's weights: missing are ` +
          `${missing.join(", ")}. ${REMEDY}`,
      );
    }
    return weights;
  } catch (error) {
    weights.forEach((variable) => variable.dispose());
    throw error;
  }
}

async function readFile(
  path: string,
  family: Family,
  shapes: Record<string, number[]>,
  weights: Map<string, tf.Variable>,
) {
  using file = await openSafetensors(path);
  for (const stored of file.tensors.keys()) {
    const name = currentName(stored, family, shapes);
    if (family.ignored.test(name)) continue;
    const expected = shapes[name];
    if (!expected) {
      throw new TypeError(
        `Cannot load ${path} as '${stored}' must not be there: the model that config.json describes has ` +
          `no such weight. ${REMEDY}`,
      );
    }
    const tensor = await file.read(stored);
    if (tensor.shape.join() !== expected.join()) {
      throw new TypeError(
        `Cannot load ${path} as '${stored}' must be [${expected}]: current value is [${tensor.shape}]. ` +
          REMEDY,
      );
    }
    const numbers = toFloat32(stored, tensor, path);
    weights.set(name, tf.tidy(() => tf.variable(tf.tensor(numbers, expected))));
  }
}

/** Bare encoders lack the prefix, and old checkpoints name a normalisation's weights gamma and beta. */
function currentName(stored: string, { prefix }: Family, shapes: Record<string, number[]>) {
  const name = stored.replace(/LayerNorm\.gamma$/, "LayerNorm.weight")
    .replace(/LayerNorm\.beta$/, "LayerNorm.bias");
  return prefix + name in shapes ? prefix + name : name;
}

async function weightFiles(folder: string): Promise<string[]> {
  const index = `${folder}/model.safetensors.index.json`;
  try {
    const { weight_map }: { weight_map: Record<string, string> } = JSON.parse(
      await Deno.readTextFile(index),
    );
    return [...new Set(Object.values(weight_map))].map((file) => `${folder}/${file}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [`${folder}/model.safetensors`];
    throw error;
  }
}
