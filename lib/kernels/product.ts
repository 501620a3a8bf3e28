import * as tf from "@tensorflow/tfjs-core";
import { port, type Precision } from "../device/port.ts";
import { differentiable } from "./differentiable.ts";

/** a · bᵀ, [N, K] and [M, K] → [N, M], in the types of the device's products. */
export function product(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  if (port().precision === "float32") return tf.matMul(a, b, false, true);
  const { product, cast, typeOf } = port();
  const types = [typeOf(a), typeOf(b)] as const;
  return differentiable({ a, b }, (save) => {
    save([a, b]);
    return product(a, b, false, true);
  }, (dy, saved) => {
    const [a, b] = saved as [tf.Tensor2D, tf.Tensor2D];
    return { a: cast(product(dy, b), types[0]), b: cast(product(dy, a, true), types[1]) };
  });
}

/** A tensor in the type that the device's products store, which their operands are to have. */
export const rounded = <T extends tf.Tensor>(x: T): T => inType(x, port().stored);

/** A tensor in float32, for tfjs's ops. */
export const float32 = <T extends tf.Tensor>(x: T): T => inType(x, "float32");

function inType<T extends tf.Tensor>(x: T, type: Precision): T {
  const { typeOf, cast } = port();
  const given = typeOf(x);
  if (given === type) return x;
  // The device frees its copy with x, what is returned lives on by itself.
  return differentiable(
    { x },
    () => cast(x, type).clone(),
    (dy) => ({ x: cast(dy, given).clone() }),
  );
}
