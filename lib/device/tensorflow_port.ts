import * as tf from "@tensorflow/tfjs-core";
import type { Libraries } from "./libraries.ts";
import { checkDraw } from "./philox.ts";
import type { DevicePort } from "./port.ts";
import { rawOp, type TensorFlowBackend, toBf16, toFloat32, typeOf } from "./tensorflow.ts";
import { fusedKernels, sumOfSquares } from "./tensorflow_kernels.ts";

/**
 * The port of a loaded TensorFlow.
 *
 * @param libraries Its `kernels` are for the CPU.
 */
export function tensorFlowPort(
  { isUsingGpuDevice }: TensorFlowBackend,
  { kernels }: Libraries,
): DevicePort {
  const fused = kernels && !isUsingGpuDevice ? fusedKernels(kernels) : undefined;
  const port: DevicePort = {
    uniform: (shape, key) =>
      tf.tidy(() => {
        for (const size of [...shape, tf.util.sizeFromShape(shape)]) checkDraw(size, key);
        const inputs = [tf.tensor1d(shape, "int32"), tf.tensor1d([...key], "int32")];
        const types = { dtype: "TF_FLOAT", T: "TF_INT32", Tseed: "TF_INT32" } as const;
        return rawOp("StatelessRandomUniform", inputs, types)[0]!;
      }),
    precision: "float32",
    stored: "float32",
    typeOf,
    cast: (x, type) => type === "float32" ? toFloat32(x) : toBf16(x),
    product,
    sumOfSquares: (tensors) =>
      tf.tidy(() => tf.addN(tensors.map(fused ? sumOfSquares : plainSumOfSquares))),
    packBytes(bytes) {
      if (bytes.length % 4 === 0) return tf.tensor1d(new Int32Array(bytes.slice().buffer), "int32");
      throw new RangeError(
        "Cannot pack bytes as their number must be a multiple of four: current value is " +
          `${bytes.length}. Pad them`,
      );
    },
    unpackBytes: (packed) =>
      tf.tidy(() => {
        const bytes = rawOp("Bitcast", [packed], { T: "TF_INT32", type: "TF_UINT8" }); // [N / 4, 4]
        return tf.reshape(rawOp("Cast", bytes, { SrcT: "TF_UINT8", DstT: "TF_INT32" })[0]!, [-1]);
      }),
    read: (tensor) => tensor.data(),
    kernels: fused?.float32 ?? {},
  };
  const stored = fused ? "bfloat16" : "float32";
  const bf16: DevicePort = {
    ...port,
    precision: "bfloat16",
    stored,
    product: (...given) => tf.tidy(() => port.cast(productInBf16(...given), stored)),
    kernels: fused?.bfloat16 ?? {},
  };
  return { ...port, bf16 };
}

/** TensorFlow's MatMul; `tf.matMul` would run BatchMatMulV2 on a batch of one. */
function product(
  a: tf.Tensor2D,
  b: tf.Tensor2D,
  transposeA = false,
  transposeB = false,
): tf.Tensor2D {
  // oneDNN packs a transposed matrix of long rows so slowly that copying it transposed is faster.
  if (transposeB && b.shape[1] > b.shape[0] && b.shape[0] >= 128) {
    return tf.tidy(() => product(a, tf.transpose(b), transposeA));
  }
  const attributes = { T: "TF_FLOAT", transpose_a: transposeA, transpose_b: transposeB } as const;
  return rawOp("MatMul", [a, b], attributes)[0] as tf.Tensor2D;
}

const plainSumOfSquares = (x: tf.Tensor): tf.Scalar =>
  tf.mul(rawOp("L2Loss", [x], { T: "TF_FLOAT" })[0]!, 2);

/** Rounds once more, when the sums become bfloat16. */
function productInBf16(
  a: tf.Tensor2D,
  b: tf.Tensor2D,
  transposeA = false,
  transposeB = false,
): tf.Tensor2D {
  const T = "TF_BFLOAT16";
  const attributes = { T, transpose_a: transposeA, transpose_b: transposeB } as const;
  return rawOp("MatMul", [toBf16(a), toBf16(b)], attributes)[0] as tf.Tensor2D;
}
