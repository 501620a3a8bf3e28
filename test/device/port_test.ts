import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { openDevice } from "lightweight-finetuning";
import { port, usePort } from "../../lib/device/port.ts";
import { rawOp } from "../../lib/device/tensorflow.ts";

await openDevice();

Deno.test("usePort() lasts until the end of the block", () => {
  const before = port();
  {
    using _ = usePort({ ...port(), kernels: {} });
    assert.deepEqual(port().kernels, {});
    assert.equal(port().product, before.product);
  }
  assert.equal(port(), before);
});

Deno.test("a port's bytes are those that were packed", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  const unpacked = port().unpackBytes(port().packBytes(bytes.subarray(4)));
  assert.deepEqual([...unpacked.dataSync()], [...bytes.subarray(4)]);
});

Deno.test("an error of TensorFlow says which op failed, on what, and why", () => {
  const before = tf.memory().numTensors;
  const reshape = () =>
    rawOp("Reshape", [tf.ones([3]), tf.tensor1d([2], "int32")], {
      T: "TF_FLOAT",
      Tshape: "TF_INT32",
    });
  assert.throws(() => tf.tidy(reshape), {
    name: "Error",
    message:
      "Cannot compute Reshape of [3], [1]: Input to reshape is a tensor with 3 values, but the " +
      "requested shape has 2",
  });
  assert.equal(tf.memory().numTensors, before);
});

Deno.test("only lib/device/ knows TensorFlow, and reads without waiting", async () => {
  const lib = new URL("../../lib/", import.meta.url);
  const known = /dataSync|rawOp|execute(Single|Multiple)Output|tfjs-node/;
  const found: string[] = [];
  const walk = async (folder: URL) => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const url = new URL(name, folder);
      if (isDirectory && name !== "device") await walk(new URL(`${name}/`, folder));
      if (name.endsWith(".ts") && known.test(await Deno.readTextFile(url))) found.push(url.href);
    }
  };
  await walk(lib);
  assert.deepEqual(found, []);
});
