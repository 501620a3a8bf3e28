import * as tf from "@tensorflow/tfjs-core";
import type { Random } from "../../device/random.ts";
import { float32, rounded } from "../../kernels/product.ts";
import type { Classifier } from "../../model/classifier.ts";
import type { Linear } from "../../model/linear.ts";
import { addAdapter } from "../adapter.ts";
import { isBoolean, isNames } from "../config.ts";
import { expression } from "../expression.ts";
import type { AdaptedLayer, Method, PeftConfig, Target } from "../method.ts";
import type { Adapter } from "../state.ts";
import { asTargets, ending } from "../targets.ts";

/** Options of an IA³ adapter; names and defaults are those of peft's IA3Config. */
export interface Ia3Config extends PeftConfig {
  /**
   * Adapted layers whose input is scaled instead of their output: a list of suffixes of names, each also in
   * `targetModules`, or one regular expression for whole names. @default {["output.dense"], of DistilBERT ["ffn.lin2"]}
   */
  feedforwardModules: string[] | string;
  /** Initialise with ones, which change nothing; with false, with random numbers. @default {true} */
  initIa3Weights: boolean;
}

/** One adapted layer. */
export interface Ia3Layer extends AdaptedLayer {
  /** Factors of the layer's output, [out, 1], or of its input, [1, in]. */
  l: tf.Variable<tf.Rank.R2>;
}

/**
 * Freezes a model and adds an IA³ adapter to it: a learned factor for each output of some linear layers or, in the
 * feed-forward part, for each input. A new adapter changes nothing.
 *
 * @param options Fields of {@link Ia3Config} that differ from their defaults, and `seed`. @default {42} Without
 * `targetModules`, keys, values and the feed-forward's output layer are adapted, and attention's output layer where its
 * name has the same suffix. peft has the same default for BERT and RoBERTa, and none for the other families.
 * @returns The adapter; `model.dispose()` frees it too.
 * @throws {TypeError} When an option is unknown.
 * @throws {RangeError} When a value is invalid, or has no effect on this model.
 * @throws {Error} When the model has an adapter already.
 * @see Liu et al., Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning, 2022
 *
 * @example
 * ```ts ignore
 * import { addIa3, loadClassifier, trainableParameters } from "lightweight-finetuning";
 * const model = await loadClassifier("FacebookAI/roberta-base", { labels: ["bad", "good"] });
 * const adapter = addIa3(model);
 * console.log(String(trainableParameters(adapter)));
 * ```
 */
export function addIa3(
  model: Classifier,
  options: Partial<Ia3Config> & { seed?: number } = {},
): Adapter<Ia3Config, Ia3Layer> {
  return addAdapter(ia3, model, options);
}

/** Learned factors, with peft's options. */
export const ia3: Method<Ia3Config, Ia3Layer> = {
  peftType: "IA3",
  title: "IA³",
  tags: [],
  prefix: "ia3_",
  defaults({ key, value, output }, { targetModules: given }) {
    const feedforward = ending(output, 2);
    return {
      targetModules: [ending(key), ending(value), feedforward],
      excludeModules: null,
      feedforwardModules: [feedforward].filter((name) => !isNames(given) || given.includes(name)),
      modulesToSave: [],
      initIa3Weights: true,
      taskType: "SEQ_CLS",
      baseModelNameOrPath: "",
    };
  },
  rules: {
    feedforwardModules: {
      // peft does not load other lists.
      isValid: (x, { targetModules }) =>
        typeof x === "string" ||
        isNames(x) && (!isNames(targetModules) || x.every((name) => targetModules.includes(name))),
      range: "a regular expression, or a list of names, each of which 'targetModules' lists too",
    },
    initIa3Weights: isBoolean,
  },
  floats: [],
  unsupported: { fan_in_fan_out: false },
  irrelevant: {},
  references: ({ feedforwardModules }, _linears, adapted) => [{
    option: "feedforwardModules",
    values: asTargets(feedforwardModules),
    names: adapted,
    matches: isFeedforward,
  }],
  nameTargets(config, modules) {
    const { feedforwardModules } = config;
    if (isNames(feedforwardModules)) {
      config.feedforwardModules = modules.filter((name) => isFeedforward(feedforwardModules, name));
    }
  },
  wrap: (module, base, { feedforwardModules, initIa3Weights }, random) =>
    ia3Layer(base, isFeedforward(feedforwardModules, module), initIa3Weights ? undefined : random),
  shapes: (module, [output, input], { feedforwardModules }) => [
    ["ia3_l", isFeedforward(feedforwardModules, module) ? [1, input] : [output, 1]],
  ],
  parameters: ({ l }) => [["ia3_l", l]],
};

/** Unlike target modules, these match by any suffix, also within a part of the name. */
const isFeedforward = (modules: Target, module: string) =>
  typeof modules === "string"
    ? expression(modules).test(module)
    : modules.some((end) => module.endsWith(end));

/**
 * Wraps a linear layer: y = l · base(x) or, in the feed-forward part, base(l · x).
 *
 * @param random Source of the initial values; without it they are ones.
 * @see peft's ia3.Linear
 */
function ia3Layer(base: Linear, isFeedforward: boolean, random?: Random): Ia3Layer {
  const [output, input] = base.shape;
  const shape: [number, number] = isFeedforward ? [1, input] : [output, 1];
  const l = tf.tidy(() =>
    tf.variable(
      random ? tf.tensor2d(random.normal(shape[0] * shape[1]), shape) : tf.ones<tf.Rank.R2>(shape),
    )
  );
  const factors = () => tf.reshape(l, [-1]);
  const weight = () => tf.mul<tf.Tensor2D>(base.weight(), l);
  const adapted: Linear = isFeedforward
    ? {
      shape: base.shape,
      weight,
      bias: base.bias,
      apply: (x, random) => base.apply(rounded(tf.mul(float32(x), factors())), random),
    }
    : {
      shape: base.shape,
      weight,
      bias: () => tf.mul(base.bias(), factors()),
      apply: (x, random) => rounded(tf.mul(float32(base.apply(x, random)), factors())),
    };
  return { l, base, adapted };
}
