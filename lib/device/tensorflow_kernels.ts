import * as tf from "@tensorflow/tfjs-core";
import { checkDraw } from "./philox.ts";
import type { Dropout, FourBits, FusedKernels } from "./port.ts";
import { type RawAttribute, rawOp } from "./tensorflow.ts";

/**
 * Loads the kernels of lib/kernels/fused.cc, for products in each type.
 *
 * @param library Path of the compiled file, which registers its ops with TensorFlow when it is loaded.
 */
export function fusedKernels(library: string): Record<"float32" | "bfloat16", FusedKernels> {
  Deno.dlopen(library, {});
  const float32: FusedKernels = {
    dequantize: (held, shape) => dequantize(held, shape, "TF_FLOAT"),
    addBias(x, bias) {
      fused("AddBias", [x, bias], 0);
      return x;
    },
    sumRows: (x) => fused("SumRows", [x], 1)[0] as tf.Tensor1D,
    sumRowProducts: (x, y) => fused("SumRowProducts", [x, y], 1)[0] as tf.Tensor1D,
    gelu: (x) => fused("Gelu", [x], 1)[0] as tf.Tensor2D,
    geluGrad: (x, dy) => fused("GeluGrad", [x, dy], 1)[0] as tf.Tensor2D,
    dropout: <T extends tf.Tensor>(x: T, dropout: Dropout) =>
      withKey(dropout, (key, rate) => fused("Dropout", [x, key], 1, { rate }))[0] as T,
    addNorm: (x, residual, scale, shift, epsilon, dropout) =>
      withKey(
        dropout,
        (key, rate) => fused("AddNorm", [x, residual, scale, shift, key], 3, { rate, epsilon }),
      ),
    addNormGrad: (dy, normal, inverse, scale, type, dropout) =>
      withKey(dropout, (key, rate) => {
        const T = type === "float32" ? "TF_FLOAT" : "TF_BFLOAT16";
        return fused("AddNormGrad", [dy, normal, inverse, scale, key], 2, { T, rate });
      }),
    attention: (q, k, v, mask, heads, dropout) =>
      withKey(
        dropout,
        (key, rate) =>
          fused("Attention", [q, k, v, mask, key], 2, { rate, width: q.shape[1] / heads }),
      ),
    attentionGrad: (q, k, v, mask, heads, logSum, dy, dropout) =>
      withKey(dropout, (key, rate) => {
        const inputs = [q, k, v, mask, key, logSum, dy];
        return fused("AttentionGrad", inputs, 3, { rate, width: q.shape[1] / heads });
      }),
    adamW(weight, mean, square, gradient, numbers) {
      const { factor, decay, rate, correction, beta1, beta2, epsilon } = numbers;
      const betas = [beta1, 1 - beta1, beta2, 1 - beta2];
      tf.tidy(() => {
        // An attribute that changes at every step would fill TensorFlow's cache of kernels.
        const values = tf.tensor1d([factor, decay, rate, correction, ...betas, epsilon]);
        const variables = [weight, mean, square];
        variables.forEach(share);
        fused("AdamW", [...variables, gradient, values], 3)
          .forEach((result, i) => variables[i]!.assign(result));
      });
    },
  };
  return {
    float32,
    bfloat16: {
      ...float32,
      dequantize: (held, shape) => dequantize(held, shape, "TF_BFLOAT16"),
    },
  };
}

/** The sum of the squares of a tensor of any shape and of either type. */
export const sumOfSquares = (x: tf.Tensor): tf.Scalar =>
  fused("SumOfSquares", [x], 1)[0] as tf.Scalar;

const dequantize = (
  { codes, absmax, nestedAbsmax, nestedOffset, numbers, scales }: FourBits,
  shape: number[],
  T: "TF_FLOAT" | "TF_BFLOAT16",
) =>
  tf.tidy(() => {
    const size = tf.tensor1d(shape, "int32");
    const inputs = [codes, absmax, nestedAbsmax, tf.scalar(nestedOffset), numbers, scales, size];
    return fused("Dequantize", inputs, 1, { T })[0] as tf.Tensor2D;
  });

/** Lets TensorFlow know, within a tidy, of the clones that tfjs made of a tensor, so that it leaves their numbers alone. */
const share = (tensor: tf.Tensor) => {
  if (tf.backend().refCount(tensor.dataId) > 1) rawOp("Identity", [tensor], { T: "TF_FLOAT" });
};

const fused = <Results extends tf.Tensor[]>(
  name: string,
  inputs: tf.Tensor[],
  outputs: Results["length"],
  attributes?: Record<string, RawAttribute>,
) => rawOp(`Fused${name}`, inputs, attributes, outputs) as Results;

/** Runs an op that draws dropout's numbers itself. */
const withKey = <Results extends tf.Tensor[]>(
  dropout: Dropout | undefined,
  run: (key: tf.Tensor, rate: number) => Results,
): Results =>
  tf.tidy(() => {
    const { key, rate } = dropout ?? { key: [0, 0] as const, rate: 0 };
    checkDraw(0, key);
    return run(tf.tensor1d([...key], "int32"), rate);
  });
