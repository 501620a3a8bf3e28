import * as tf from "@tensorflow/tfjs-core";
import { port } from "../device/port.ts";
import { addBias, sumRows } from "../kernels/add.ts";
import { differentiable } from "../kernels/differentiable.ts";
import type { Linear } from "./linear.ts";
import { dequantizeForProduct, dequantizeNf4, quantizeNf4 } from "./nf4.ts";

/**
 * Makes a linear layer whose weight is held at four bits, and dequantised only for each product, forward and backward;
 * it is never trained. In `parameters` the codes replace the weight, and the scales are added under bitsandbytes'
 * names.
 *
 * @see Dettmers et al., QLoRA, 2023; Linear4bit of bitsandbytes
 */
export async function linear4bit(
  module: string,
  parameters: Map<string, tf.Variable>,
): Promise<Linear> {
  const name = `${module}.weight`;
  const weight = parameters.get(name) as tf.Variable<tf.Rank.R2>;
  const bias = parameters.get(`${module}.bias`) as tf.Variable<tf.Rank.R1>;
  const { shape } = weight;
  const { codes, absmax, nestedAbsmax, nestedOffset } = quantizeNf4(await port().read(weight));
  weight.dispose();
  const hold = (name: string, numbers: () => tf.Tensor1D) => {
    const variable = tf.tidy(() => tf.variable(numbers(), false));
    parameters.set(name, variable);
    return variable;
  };
  const held = {
    codes: hold(name, () => port().packBytes(codes)),
    absmax: hold(`${name}.absmax`, () => port().packBytes(absmax)),
    nestedAbsmax: hold(`${name}.nested_absmax`, () => tf.tensor1d(nestedAbsmax)),
    nestedOffset,
  };
  const dequantized = () => dequantizeForProduct(held, shape);
  return {
    shape,
    // An op without inputs, so that no intermediate result is kept for a gradient.
    weight: () => differentiable({}, () => dequantizeNf4<tf.Rank.R2>(held, shape), () => ({})),
    bias: () => bias,
    apply(x) {
      const { product, cast, typeOf } = port();
      const type = typeOf(x);
      return differentiable(
        { x, bias },
        () => addBias(product(x, dequantized(), false, true), bias),
        (dy) => ({
          x: cast(product(dy, dequantized()), type),
          ...bias.trainable && { bias: sumRows(dy) },
        }),
      );
    },
  };
}
