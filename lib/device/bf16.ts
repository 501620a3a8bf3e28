import * as tf from "@tensorflow/tfjs-core";
import { port, useBf16 } from "./port.ts";

const SIZE = 512;
const ROUNDS = 10;

let announced: Promise<void> | undefined;

/**
 * Measures once in a process whether products in bfloat16 are faster here than in float32, and warns where they are not.
 * They are not refused there, so that a run that began on another machine can be resumed.
 *
 * @throws {Error} When the device has no products in bfloat16.
 */
export const announceBf16 = (): Promise<void> => announced ??= measure();

async function measure(): Promise<void> {
  const x = tf.ones<tf.Rank.R2>([SIZE, SIZE]);
  let [float32, bf16] = [Infinity, Infinity];
  try {
    for (let i = 0; i < ROUNDS; i++) { // in turn, as other programs may be running
      float32 = Math.min(float32, await milliseconds(x, false));
      bf16 = Math.min(bf16, await milliseconds(x, true));
    }
  } finally {
    x.dispose();
  }
  const times = bf16 / float32;
  if (times < 1) return;
  console.warn(
    `bf16: products take ${times.toFixed(1)} times as long in bfloat16 as in float32 here. ` +
      "Leave out 'bf16' to be faster",
  );
}

async function milliseconds(x: tf.Tensor2D, inBf16: boolean): Promise<number> {
  const started = performance.now();
  const corner = tf.tidy(() => {
    using _ = inBf16 ? useBf16() : undefined;
    return tf.slice(port().cast(port().product(x, x), "float32"), 0, 1);
  });
  await port().read(corner).finally(() => corner.dispose());
  return performance.now() - started;
}
