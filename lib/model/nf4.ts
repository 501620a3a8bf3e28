import * as tf from "@tensorflow/tfjs-core";
import { port } from "../device/port.ts";

/**
 * Numbers in NF4 with double-quantised scales, 4.13 bits each, as bitsandbytes stores them. Each is one of 16 numbers
 * times its block's scale; a scale is their mean plus one of 256 numbers times the scale of a block of scales.
 */
export interface Nf4<Bytes, Floats> {
  /** Indices into the 16 numbers, two a byte, the first in the upper half; the last block of 64 is padded. */
  codes: Bytes;
  /** Indices into the 256 numbers, of each block's scale (its largest absolute value); the last block of 256 is padded. */
  absmax: Bytes;
  /** The scales of those blocks. */
  nestedAbsmax: Floats;
  /** The mean of all scales. */
  nestedOffset: number;
}

const BLOCK = 64;
const NESTED_BLOCK = 256;

/** Dettmers et al., QLoRA, 2023, appendix E. */
const NF4 = Float32Array.of(
  ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453],
  ...[-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0],
  ...[0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
  ...[0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
);
/** What a byte of codes stands for, [256, 2]. */
const PAIRS = Float32Array.from({ length: 512 }, (_, i) => NF4[i % 2 ? i >> 1 & 15 : i >> 5]!);
const DYNAMIC = dynamicMap();

/**
 * Quantises as bitsandbytes' `quantize_4bit` does on a CPU, to the same codes, except that the mean is rounded once here
 * and during the summation in PyTorch: where they differ, about one scale in 100,000 gets the next code.
 */
export function quantizeNf4(numbers: Float32Array): Nf4<Uint8Array, Float32Array> {
  const [nearestNumber, nearestScale] = [nearest(NF4), nearest(DYNAMIC)];
  // In a block of zeros x is NaN: it gets the code of 0 here, the first code below.
  const { codes, absmax } = quantize(numbers, BLOCK, (x) => nearestNumber(x || 0));
  const nestedOffset = Math.fround(absmax.reduce((sum, x) => sum + x) / absmax.length);
  const deviations = absmax.map((x) => x - nestedOffset);
  const nested = quantize(deviations, NESTED_BLOCK, (x) => nearestScale(onGrid(x)));
  const pairs = new Uint8Array(codes.length / 2);
  return {
    codes: pairs.map((_, i) => codes[2 * i]! << 4 | codes[2 * i + 1]!),
    absmax: nested.codes,
    nestedAbsmax: nested.absmax,
    nestedOffset,
  };
}

/**
 * Dequantises a matrix as bitsandbytes' `dequantize_4bit` does, for a product: where that is in bfloat16, each number is
 * rounded to it once.
 */
export function dequantizeForProduct(
  held: Nf4<tf.Tensor1D, tf.Tensor1D>,
  shape: [number, number],
): tf.Tensor2D {
  const { dequantize } = port().kernels;
  if (!dequantize) return dequantizeNf4<tf.Rank.R2>(held, shape);
  return tf.tidy(() =>
    dequantize({ ...held, numbers: tf.tensor1d(NF4), scales: tf.tensor1d(DYNAMIC) }, shape)
  );
}

/** Dequantises as bitsandbytes' `dequantize_4bit` does; `codes` and `absmax` are packed bytes. */
export function dequantizeNf4<R extends tf.Rank>(
  { codes, absmax, nestedAbsmax, nestedOffset }: Nf4<tf.Tensor1D, tf.Tensor1D>,
  shape: tf.ShapeMap[R],
): tf.Tensor<R> {
  // gatherND, as TensorFlow's gather takes three times as long.
  const lookUp = (table: tf.Tensor, packed: tf.Tensor1D) =>
    tf.gatherND(table, tf.reshape(port().unpackBytes(packed), [-1, 1]));
  const scaled = (x: tf.Tensor, blockSize: number, scales: tf.Tensor) =>
    tf.reshape(tf.mul(tf.reshape(x, [-1, blockSize]), tf.reshape(scales, [-1, 1])), [-1]);
  return tf.tidy(() => {
    const nested = scaled(lookUp(tf.tensor1d(DYNAMIC), absmax), NESTED_BLOCK, nestedAbsmax);
    const scales = tf.slice(tf.add(nested, nestedOffset), 0, 8 * codes.size / BLOCK);
    const numbers = scaled(lookUp(tf.tensor2d(PAIRS, [256, 2]), codes), BLOCK, scales);
    const size = tf.util.sizeFromShape(shape);
    return tf.reshape(tf.slice(numbers, 0, size), shape);
  });
}

/** Scales blocks to [-1, 1] by their largest absolute values and rounds each number to a code. */
function quantize(numbers: Float32Array, blockSize: number, codeOf: (x: number) => number) {
  const blocks = Math.ceil(numbers.length / blockSize);
  const codes = new Uint8Array(blocks * blockSize);
  const absmax = new Float32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    const [start, end] = [block * blockSize, (block + 1) * blockSize];
    let largest = 0;
    for (let i = start; i < end; i++) largest = Math.max(largest, Math.abs(numbers[i] ?? 0));
    absmax[block] = largest;
    const inverse = Math.fround(1 / largest);
    for (let i = start; i < end; i++) codes[i] = codeOf(Math.fround((numbers[i] ?? 0) * inverse));
  }
  return { codes, absmax };
}

/** Finds the index in `table` of the number nearest to x, the lower of two equally near. */
function nearest(table: Float32Array): (x: number) => number {
  const midpoints = table.map((x, i) => (x + (table[i + 1] ?? Infinity)) / 2);
  return (x) => {
    let code = 0;
    while (x > midpoints[code]!) code++;
    return code;
  };
}

/** Rounds x to one of the 65,536 numbers in [-1, 1] of which bitsandbytes' CPU code has a table; its GPU code uses x itself. */
function onGrid(x: number): number {
  const { fround, trunc } = Math;
  const step = trunc(fround(fround(fround(x + 1) * 32767.5) + 0.5));
  return fround(2 * fround(step / 65535) - 1);
}

/**
 * The 256 numbers of the scales: 0, 1, and below each power of ten twice as many as below the one before; rounded as
 * torch.linspace rounds.
 *
 * @see Dettmers, 8-Bit Approximations for Parallelism in Deep Learning, 2015; create_dynamic_map of bitsandbytes
 */
function dynamicMap(): Float32Array {
  const { fround } = Math;
  const map = [0, 1];
  for (let exponent = -6; exponent <= 0; exponent++) {
    const count = 2 ** (exponent + 6);
    const start = fround(0.1);
    const step = fround(fround(1 - start) / count);
    const boundary = (i: number) =>
      fround(i < (count + 1 >> 1) ? start + step * i : 1 - step * (count - i));
    for (let i = 0; i < count; i++) {
      const mean = fround((boundary(i) + boundary(i + 1)) / 2);
      const x = fround(fround(10 ** exponent) * mean);
      map.push(x, -x);
    }
  }
  return Float32Array.from(map).sort();
}
