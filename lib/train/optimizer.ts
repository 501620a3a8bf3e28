import * as tf from "@tensorflow/tfjs-core";
import { adamWStep } from "../kernels/adamw.ts";
import { isDecayed } from "./decay.ts";

/** What AdamW keeps of a parameter's gradients, in the parameter's shape. */
export interface Moments {
  /** Their decayed mean. */
  mean: tf.Variable;
  /** The decayed mean of their squares. */
  square: tf.Variable;
}

/** What changes parameters at a step. */
export interface Optimizer {
  /** Steps done. */
  steps: number;
  /** By the names of the parameters that have had a gradient. */
  readonly moments: Map<string, Moments>;
  /**
   * Changes the parameters that have a gradient.
   *
   * @param gradients By the parameters' names.
   * @param factor What gradients are multiplied by first, to clip them. @default {1}
   */
  step(gradients: tf.NamedTensorMap, learningRate: number, factor?: number): void;
  /** Frees the moments. */
  dispose(): void;
}

/** Numbers of {@link adamW}. */
export interface AdamWOptions {
  /** Decay of the mean of gradients. @default {0.9} */
  beta1?: number;
  /** Decay of the mean of squared gradients. @default {0.999} */
  beta2?: number;
  /** @default {1e-8} */
  epsilon?: number;
  /** By which share of the learning rate a parameter shrinks at a step; biases and normalisation do not. @default {0} */
  weightDecay?: number;
}

/**
 * AdamW with Transformers' choice of what decays.
 *
 * @param parameters What is trained, by name.
 * @see Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019; torch.optim.AdamW
 */
export function adamW(
  parameters: Map<string, tf.Variable>,
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 }: AdamWOptions = {},
): Optimizer {
  const moments = new Map<string, Moments>();

  function update(name: string, gradient: tf.Tensor, learningRate: number, factor: number) {
    const weight = parameters.get(name)!;
    let moment = moments.get(name);
    if (!moment) {
      const zero = () => tf.variable(tf.zerosLike(weight), false);
      moments.set(name, moment = { mean: zero(), square: zero() });
    }
    const { mean, square } = moment;
    const decay = isDecayed(name) ? 1 - learningRate * weightDecay : 1;
    const numbers = { factor, decay, learningRate, beta1, beta2, epsilon, step: optimizer.steps };
    weight.assign(adamWStep(weight, mean, square, gradient, numbers));
  }

  const optimizer: Optimizer = {
    steps: 0,
    moments,
    step(gradients, learningRate, factor = 1) {
      optimizer.steps++;
      for (const [name, gradient] of Object.entries(gradients)) {
        tf.tidy(() => update(name, gradient, learningRate, factor));
      }
    },
    dispose() {
      moments.forEach(({ mean, square }) => tf.dispose([mean, square]));
      moments.clear();
    },
  };
  return optimizer;
}
