import * as tf from "@tensorflow/tfjs-core";

/** What an optimizer does at a step. */
export interface Optimizer {
  /** Changes the variables by their gradients, which go by the variables' names. */
  step(variables: tf.Variable[], gradients: tf.NamedTensorMap, learningRate: number): void;
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
}

/**
 * AdamW without weight decay, in PyTorch's order of operations.
 *
 * @see Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019; torch.optim.AdamW
 */
export function adamW(
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamWOptions = {},
): Optimizer {
  const moments = new Map<string, { mean: tf.Variable; square: tf.Variable }>();
  let steps = 0;

  function update(variable: tf.Variable, gradient: tf.Tensor, learningRate: number) {
    let moment = moments.get(variable.name);
    if (!moment) {
      const zero = () => tf.variable(tf.zerosLike(variable), false);
      moments.set(variable.name, moment = { mean: zero(), square: zero() });
    }
    const { mean, square } = moment;
    mean.assign(tf.add(tf.mul(mean, beta1), tf.mul(gradient, 1 - beta1)));
    square.assign(tf.add(tf.mul(square, beta2), tf.mul(tf.square(gradient), 1 - beta2)));
    const root = tf.mul(tf.sqrt(square), 1 / Math.sqrt(1 - beta2 ** steps));
    const change = tf.div(mean, tf.add(root, epsilon));
    variable.assign(tf.sub(variable, tf.mul(change, learningRate / (1 - beta1 ** steps))));
  }

  return {
    step(variables, gradients, learningRate) {
      steps++;
      for (const variable of variables) {
        tf.tidy(() => update(variable, gradients[variable.name]!, learningRate));
      }
    },
    dispose() {
      moments.forEach(({ mean, square }) => tf.dispose([mean, square]));
      moments.clear();
    },
  };
}

/**
 * Scales gradients down so that the norm of all of them together is at most `maxNorm`.
 *
 * @returns The scaled gradients, and the norm before.
 * @see torch.nn.utils.clip_grad_norm_, whose 1e-6 this keeps
 */
export function clipByGlobalNorm(
  gradients: tf.NamedTensorMap,
  maxNorm: number,
): { clipped: tf.NamedTensorMap; norm: number } {
  const norm = tf.tidy(() => {
    const squares = Object.values(gradients).map((gradient) => tf.sum(tf.square(gradient)));
    return tf.sqrt(tf.addN(squares)).dataSync()[0]!;
  });
  const scale = Math.min(1, maxNorm / (norm + 1e-6));
  const scaled = (gradient: tf.Tensor) => scale === 1 ? gradient.clone() : tf.mul(gradient, scale);
  const entries = Object.entries(gradients).map(([name, value]) => [name, scaled(value)]);
  return { clipped: Object.fromEntries(entries), norm };
}

/** Falls in a line to zero: the rate of the step after `done` of `total` steps. */
export const linearSchedule = (learningRate: number, done: number, total: number): number =>
  learningRate * Math.max(0, (total - done) / total);
