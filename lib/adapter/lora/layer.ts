import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "../../device/random.ts";
import { add } from "../../kernels/add.ts";
import { dropout } from "../../kernels/dropout.ts";
import { float32, product } from "../../kernels/product.ts";
import type { Linear } from "../../model/linear.ts";
import type { AdaptedLayer } from "../method.ts";
import type { LoraConfig } from "./config.ts";
import { dora, rowNorms, type Update } from "./dora.ts";

/** One adapted layer. */
export interface LoraLayer extends AdaptedLayer {
  /** [r, in] */
  A: tf.Variable<tf.Rank.R2>;
  /** [out, r] */
  B: tf.Variable<tf.Rank.R2>;
  /** DoRA's norm of each row of the weights, [out]. */
  magnitude?: tf.Variable<tf.Rank.R1>;
}

/**
 * Wraps a linear layer: y = base(x) + scaling · B(A(dropout(x))).
 *
 * @param config Its `r` and `loraAlpha` are those of this layer.
 * @param random Source of the initial values.
 * @see Hu et al., LoRA, 2021, §4.1; peft's lora.Linear
 */
export function loraLayer(base: Linear, config: LoraConfig, random: Random): LoraLayer {
  const { r, loraAlpha, loraDropout: rate } = config;
  const scaling = loraAlpha / (config.useRslora ? Math.sqrt(r) : r);
  const { A, B } = initialize(base.shape, config, random);
  const update: Update = {
    shape: base.shape,
    weight: () => tf.mul(tf.matMul(B, A), scaling),
    apply(x) {
      const low = tf.mul<tf.Tensor2D>(float32(product(x, A)), scaling); // [N, in] → [N, r]
      return product(low, B);
    },
  };
  if (config.useDora) {
    const magnitude = tf.tidy(() => tf.variable(rowNorms(base, update)));
    return { A, B, magnitude, base, adapted: dora(base, update, magnitude, rate) };
  }
  const adapted: Linear = {
    shape: base.shape,
    weight: () => tf.add(base.weight(), update.weight()),
    bias: base.bias,
    apply: (x, random) => add(base.apply(x, random), update.apply(dropout(x, rate, random))),
  };
  return { A, B, base, adapted };
}

/** A from U(−1/√in, 1/√in) and B zero, or as `initLoraWeights` says. */
function initialize([output, input]: Linear["shape"], config: LoraConfig, random: Random) {
  const { r, initLoraWeights: initial } = config;
  const { fround, sqrt } = Math; // every step in 32-bit floats, as on a device
  const uniform = (shape: [number, number], limit: number) => {
    const [width, shift] = [fround(2 * limit), fround(limit)];
    const numbers = random.uniform(shape[0] * shape[1]).map((x) => fround(x * width) - shift);
    return tf.tensor2d(numbers, shape);
  };
  return tf.tidy(() => {
    const A = initial === "gaussian"
      ? tf.tensor2d(random.normal(r * input).map((x) => x * fround(1 / r)), [r, input])
      : uniform([r, input], 1 / sqrt(input));
    const B = initial === false
      ? uniform([output, r], 1 / sqrt(r))
      : tf.zeros<tf.Rank.R2>([output, r]);
    return { A: tf.variable(A), B: tf.variable(B) };
  });
}
