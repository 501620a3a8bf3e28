import * as tf from "@tensorflow/tfjs-core";
import type { TensorFlowBackend } from "./tensorflow.ts";

/** Holds bytes four to an int32, as tfjs has no smaller type; their count must be a multiple of four. */
export const packBytes = (bytes: Uint8Array): tf.Tensor1D =>
  tf.tensor1d(new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4), "int32");

/** The bytes that {@link packBytes} holds, each as an int32: [N / 4] → [N]. */
export function unpackBytes(packed: tf.Tensor1D): tf.Tensor1D {
  const backend = tf.backend() as unknown as TensorFlowBackend;
  const { TF_ATTR_TYPE, TF_INT32, TF_UINT8 } = backend.binding;
  const type = (name: string, value: unknown) => ({ name, type: TF_ATTR_TYPE!, value });
  const bitcast = [type("T", TF_INT32), type("type", TF_UINT8)];
  const cast = [type("SrcT", TF_UINT8), type("DstT", TF_INT32)];
  return tf.tidy(() => {
    const bytes = backend.executeSingleOutput("Bitcast", bitcast, [packed]); // [N / 4, 4]
    return tf.reshape(backend.executeSingleOutput("Cast", cast, [bytes]), [-1]);
  });
}
