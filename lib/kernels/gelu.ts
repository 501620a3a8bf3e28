import * as tf from "@tensorflow/tfjs-core";
import { type FusedKernels, port } from "../device/port.ts";
import { differentiable } from "./differentiable.ts";

/**
 * x · Φ(x) with the exact error function, as Transformers' "gelu".
 *
 * @see Hendrycks and Gimpel, Gaussian Error Linear Units, 2016
 */
export function gelu(x: tf.Tensor2D): tf.Tensor2D {
  const { gelu = plainGelu, geluGrad = plainGeluGrad } = port().kernels;
  return differentiable({ x }, (save) => {
    save([x]);
    return gelu(x);
  }, (dy, [x]) => ({ x: geluGrad(x as tf.Tensor2D, dy) }));
}

const phi = (x: tf.Tensor) => tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);

const plainGelu: FusedKernels["gelu"] = (x) => tf.mul(x, phi(x));

const plainGeluGrad: FusedKernels["geluGrad"] = (x, dy) => {
  const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return tf.mul(dy, tf.add(phi(x), tf.mul(x, density)));
};
