import type * as tf from "@tensorflow/tfjs-core";
import type { Key } from "./philox.ts";

/** How many bits a number has, and how many of them are its digits. */
export type Precision = "float32" | "bfloat16";

/** What a device offers beyond tfjs-core's ops: what they lack, or do worse. None of it has a gradient. */
export interface DevicePort {
  /** The numbers in [0, 1) of a draw, the same bits on every device: those of `uniformNumbers`. */
  uniform(shape: number[], key: Key): tf.Tensor;
  /** The type to which products round what is multiplied; they add up in float32. */
  readonly precision: Precision;
  /**
   * The type of a product's result: that of `precision` where the device's kernels read and write it. tfjs takes a tensor
   * of bfloat16 for one of float32, but its ops throw a TypeError on it, except the sum of two.
   */
  readonly stored: Precision;
  /** The type of a tensor's numbers. A result's gradient has the same, a weight's that of the product it comes from. */
  typeOf(x: tf.Tensor): Precision;
  /** A tensor of the same numbers in another type, or the tensor itself if it has it. */
  cast<T extends tf.Tensor>(x: T, type: Precision): T;
  /** The product of two matrices, each transposed first if asked for. */
  product(
    a: tf.Tensor2D,
    b: tf.Tensor2D,
    transposeA?: boolean,
    transposeB?: boolean,
  ): tf.Tensor2D;
  /** The sum of squares of all numbers of some tensors, each of float32 or of the type `stored` of {@link DevicePort.bf16}. */
  sumOfSquares(tensors: tf.Tensor[]): tf.Scalar;
  /** Holds bytes in an int32 tensor of no more memory, [N] → [N / 4]; N must be a multiple of four. */
  packBytes(bytes: Uint8Array): tf.Tensor1D;
  /** The bytes that {@link DevicePort.packBytes} holds, each as an int32: [N / 4] → [N]. */
  unpackBytes(packed: tf.Tensor1D): tf.Tensor1D;
  /**
   * A tensor's numbers, once the device has computed them. Devices that run ops asynchronously report their errors here.
   */
  read<D extends "float32" | "int32" | "bool" = "float32">(
    tensor: tf.Tensor,
  ): Promise<tf.DataTypeMap[D]>;
  /** The kernels that the device fuses; lib/kernels composes the others of tfjs-core's ops. */
  readonly kernels: Partial<FusedKernels>;
  /**
   * The same device with products that round both matrices to bfloat16 and add up in float32. A matrix's copy in bfloat16
   * is kept as long as the matrix, so that a frozen weight is rounded once. Absent where the device cannot do it.
   */
  readonly bf16?: DevicePort;
}

/** One application of dropout: its draw decides which numbers become zero, forward and backward alike. */
export interface Dropout {
  /** Probability of zero; what is kept is divided by 1 − rate. */
  rate: number;
  /** Number i of a tensor, row-major, is kept where number i of this draw is at least `rate`. */
  key: Key;
}

/** Operations that a device may do in one pass over memory; each is optional. */
export interface FusedKernels {
  /**
   * x + bias, row by row: [N, H] and [H] → [N, H].
   *
   * @param x A buffer that nothing else uses, as it may be overwritten with the result.
   */
  addBias(x: tf.Tensor2D, bias: tf.Tensor1D): tf.Tensor2D;
  /** The sum of the rows: [N, H] → [H]. */
  sumRows(x: tf.Tensor2D): tf.Tensor1D;
  /** The sum of the rows of the elementwise product x · y, both [N, H] → [H]. */
  sumRowProducts(x: tf.Tensor2D, y: tf.Tensor2D): tf.Tensor1D;
  /** x · Φ(x) with the exact error function, [N, H], in the type of x. */
  gelu(x: tf.Tensor2D): tf.Tensor2D;
  /** The gradient of x from that of the result, all [N, H]. */
  geluGrad(x: tf.Tensor2D, dy: tf.Tensor2D): tf.Tensor2D;
  /** Applies dropout to a tensor of any shape; it also computes its own gradient. */
  dropout<T extends tf.Tensor>(x: T, dropout: Dropout): T;
  /**
   * Normalises each row of dropout(x) + residual, both [N, H], then scales and shifts it, both [H].
   *
   * @returns The result [N, H]; the rows before scale and shift [N, H]; 1 / √(variance + epsilon) of each row [N].
   */
  addNorm(
    x: tf.Tensor2D,
    residual: tf.Tensor2D,
    scale: tf.Tensor1D,
    shift: tf.Tensor1D,
    epsilon: number,
    dropout?: Dropout,
  ): [y: tf.Tensor2D, normal: tf.Tensor2D, inverse: tf.Tensor1D];
  /**
   * The gradients of x and of the residual, both [N, H], from that of the result [N, H].
   *
   * @param normal From the forward pass, [N, H], as is `inverse`, [N].
   * @param type That of x; all else is float32.
   */
  addNormGrad(
    dy: tf.Tensor2D,
    normal: tf.Tensor2D,
    inverse: tf.Tensor1D,
    scale: tf.Tensor1D,
    type: Precision,
    dropout?: Dropout,
  ): [dx: tf.Tensor2D, dresidual: tf.Tensor2D];
  /**
   * Scaled dot-product attention, with dropout on its probabilities, [B, A, Q, T]. Queries, keys, values, the result and
   * their gradients are of one type.
   *
   * @param q Queries [B·Q, A·D].
   * @param k Keys [B·T, A·D], as `v` (values).
   * @param mask Added to the scores, [B, T].
   * @param heads A.
   * @returns The result [B·Q, A·D], and the logarithm of each softmax's denominator [B, A, Q].
   */
  attention(
    q: tf.Tensor2D,
    k: tf.Tensor2D,
    v: tf.Tensor2D,
    mask: tf.Tensor2D,
    heads: number,
    dropout?: Dropout,
  ): [y: tf.Tensor2D, logSum: tf.Tensor3D];
  /** The gradients of q, k and v from that of the result [B·Q, A·D]; `logSum` is from the forward pass. */
  attentionGrad(
    q: tf.Tensor2D,
    k: tf.Tensor2D,
    v: tf.Tensor2D,
    mask: tf.Tensor2D,
    heads: number,
    logSum: tf.Tensor3D,
    dy: tf.Tensor2D,
    dropout?: Dropout,
  ): [dq: tf.Tensor2D, dk: tf.Tensor2D, dv: tf.Tensor2D];
  /** The matrix of a shape that is held at four bits, to be given to {@link DevicePort.product}. */
  dequantize(held: FourBits, shape: [number, number]): tf.Tensor2D;
  /**
   * Updates a weight and its moments by one step of AdamW. All have one shape.
   *
   * @param mean Decayed mean of gradients; `square` is that of squared gradients.
   */
  adamW(
    weight: tf.Variable,
    mean: tf.Variable,
    square: tf.Variable,
    gradient: tf.Tensor,
    numbers: AdamWNumbers,
  ): void;
}

/**
 * The numbers of one step of AdamW. With g = factor · gradient, the moments m and s decay by the betas; the weight
 * becomes decay · weight − rate · m / (correction · √s + epsilon).
 */
export interface AdamWNumbers {
  /** Clips the gradient. */
  factor: number;
  /** 1 − learning rate · weight decay. */
  decay: number;
  /** The learning rate, corrected for the bias of the mean, which starts at zero. */
  rate: number;
  /** Corrects the square root for the same bias. */
  correction: number;
  /** Decay of the mean of gradients. */
  beta1: number;
  /** Decay of the mean of squared gradients. */
  beta2: number;
  /** Keeps the quotient finite. */
  epsilon: number;
}

/** Numbers at four bits: the parts of `Nf4` of lib/model, and the tables of what the codes stand for. */
export interface FourBits {
  /** Packed bytes, each of two indices into `numbers`, the first in the upper half. */
  codes: tf.Tensor1D;
  /** Packed bytes, each an index into `scales`: the scale of 64 numbers. */
  absmax: tf.Tensor1D;
  /** Factors of 256 scales each. */
  nestedAbsmax: tf.Tensor1D;
  /** Added to each scale. */
  nestedOffset: number;
  /** [16] */
  numbers: tf.Tensor1D;
  /** [256] */
  scales: tf.Tensor1D;
}

let open: DevicePort | undefined;

/**
 * The open device's port.
 *
 * @throws {Error} When no device is open.
 */
export function port(): DevicePort {
  if (open) return open;
  throw new Error(
    "Cannot compute as a device must be open: current value is none. Call openDevice()",
  );
}

/**
 * Makes a port the one in use.
 *
 * @returns Restores the previous port when it is disposed of.
 *
 * @example
 * ```ts
 * import { openDevice } from "./device.ts";
 * import { port, usePort } from "./port.ts";
 * await openDevice();
 * using _plain = usePort({ ...port(), kernels: {} }); // no fused kernels until the end of the block
 * ```
 */
export function usePort(port: DevicePort): Disposable {
  const before = open;
  open = port;
  return { [Symbol.dispose]: () => void (open = before) };
}

/**
 * Computes products in bfloat16 until what is returned is disposed of; nothing may be awaited before, as other work
 * would go on in bfloat16 too.
 *
 * @throws {Error} When the device has no such products.
 *
 * @example
 * ```ts
 * import { openDevice } from "./device.ts";
 * import { port, useBf16 } from "./port.ts";
 * await openDevice();
 * using _ = useBf16();
 * console.log(port().precision); // bfloat16
 * ```
 */
export function useBf16(): Disposable {
  const { bf16 } = port();
  if (bf16) return usePort(bf16);
  throw new Error(
    "Cannot compute in bfloat16 as the device must have products of it: current value is none. Leave out 'bf16'",
  );
}
