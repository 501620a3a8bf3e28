import * as tf from "@tensorflow/tfjs-core";
import { rawOp } from "./raw.ts";

/** Holds bytes four to an int32, as tfjs has no smaller type; their count must be a multiple of four. */
export const packBytes = (bytes: Uint8Array): tf.Tensor1D =>
  tf.tensor1d(new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4), "int32");

/** The bytes that {@link packBytes} holds, each as an int32: [N / 4] → [N]. */
export function unpackBytes(packed: tf.Tensor1D): tf.Tensor1D {
  return tf.tidy(() => {
    const bytes = rawOp("Bitcast", [packed], { T: "TF_INT32", type: "TF_UINT8" }); // [N / 4, 4]
    return tf.reshape(rawOp("Cast", bytes, { SrcT: "TF_UINT8", DstT: "TF_INT32" })[0]!, [-1]);
  });
}
