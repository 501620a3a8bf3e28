import * as tf from "@tensorflow/tfjs-core";
import { port } from "../device/port.ts";
import { adamWStep } from "../kernels/adamw.ts";
import { checkOptions } from "../options.ts";

/** AdamW's state of one parameter, in the parameter's shape. */
export interface Moments {
  /** Decayed mean of the gradients. */
  mean: tf.Variable;
  /** Decayed mean of their squares. */
  square: tf.Variable;
}

/** Updates parameters by their gradients. */
export interface Optimizer {
  /** Steps done. */
  steps: number;
  /** By the names of the parameters that have had a gradient. */
  readonly moments: Map<string, Moments>;
  /**
   * Updates the parameters that have a gradient.
   *
   * @param gradients By the parameters' names.
   * @param factor Multiplies the gradients first, to clip them. @default {1}
   */
  step(gradients: tf.NamedTensorMap, learningRate: number, factor?: number): void;
  /** Frees the moments. */
  dispose(): void;
}

/** Options of {@link adamW}. */
export interface AdamWOptions {
  /** Decay of the mean of gradients. @default {0.9} */
  beta1?: number;
  /** Decay of the mean of squared gradients. @default {0.999} */
  beta2?: number;
  /** Added to the square root, to keep the quotient finite. @default {1e-8} */
  epsilon?: number;
  /** By which share of the learning rate a parameter shrinks at a step; biases and normalisation do not. @default {0} */
  weightDecay?: number;
}

const OPTIONS: Record<keyof AdamWOptions, true> = {
  beta1: true,
  beta2: true,
  epsilon: true,
  weightDecay: true,
};

/**
 * Creates an AdamW optimizer that decays the parameters that Transformers decays.
 *
 * @param parameters The trained parameters, by name.
 * @returns The optimizer; its moments are created at the first step.
 * @throws {TypeError} When an option is unknown.
 * @see Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019; torch.optim.AdamW
 */
export function adamW(
  parameters: Map<string, tf.Variable>,
  options: AdamWOptions = {},
): Optimizer {
  checkOptions("make an optimizer", options, OPTIONS);
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = options;
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
    adamWStep(weight, mean, square, gradient, numbers);
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

const NOT_DECAYED = [/bias/, /layernorm/, /rmsnorm/, /(^|\.)norm($|\.)/, /_norm($|\.)/];

/**
 * Whether weight decay applies to a parameter of this name: to all but biases and normalisation's scales.
 *
 * @see Trainer.get_decay_parameter_names of Transformers, whose patterns these are
 */
export const isDecayed = (name: string): boolean =>
  !NOT_DECAYED.some((pattern) => pattern.test(name.toLowerCase()));

/** The norm of all gradients together. */
export const gradientNorm = (gradients: tf.NamedTensorMap): tf.Scalar =>
  tf.tidy(() => tf.sqrt(port().sumOfSquares(Object.values(gradients))));

/**
 * The factor that brings the norm of all gradients together down to `maxNorm`.
 *
 * @param norm Their norm, from {@link gradientNorm}.
 * @param maxNorm Infinity leaves the gradients as they are.
 * @returns At most 1.
 * @see torch.nn.utils.clip_grad_norm_, whose 1e-6 this keeps
 */
export const clipFactor = (norm: number, maxNorm: number): number =>
  Math.min(1, maxNorm / (norm + 1e-6));
