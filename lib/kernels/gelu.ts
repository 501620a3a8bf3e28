import * as tf from "@tensorflow/tfjs-core";
import { differentiable } from "./differentiable.ts";
import { fused, hasFused } from "./native.ts";

/**
 * x · Φ(x) with the exact error function, as Transformers' "gelu".
 *
 * @see Hendrycks and Gimpel, Gaussian Error Linear Units, 2016
 */
export function gelu(x: tf.Tensor2D): tf.Tensor2D {
  return differentiable({ x }, (save) => {
    save([x]);
    return (hasFused() ? fused("Gelu", [x], 1)[0]! : tf.mul(x, phi(x))) as tf.Tensor2D;
  }, (dy, [x]) => ({ x: hasFused() ? fused("GeluGrad", [x!, dy], 1)[0]! : plainGradient(x!, dy) }));
}

const phi = (x: tf.Tensor) => tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);

function plainGradient(x: tf.Tensor, dy: tf.Tensor) {
  const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return tf.mul(dy, tf.add(phi(x), tf.mul(x, density)));
}
