import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { openDevice } from "lightweight-finetuning";
import { port, usePort } from "../../lib/device/port.ts";
import { rawOp } from "../../lib/device/tensorflow.ts";
import { adamWStep } from "../../lib/kernels/adamw.ts";

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

Deno.test("a port packs bytes from any place in a buffer, and refuses a number that is no multiple of four", () => {
  const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const pack = (bytes: Uint8Array) => [...port().unpackBytes(port().packBytes(bytes)).dataSync()];
  for (const [from, to] of [[0, 8], [1, 5], [3, 7], [8, 8]] as const) {
    assert.deepEqual(pack(bytes.subarray(from, to)), [...bytes.subarray(from, to)]);
  }
  assert.throws(() => pack(bytes.subarray(0, 5)), {
    message: "Cannot pack bytes as their number must be a multiple of four: current value is 5. " +
      "Pad them",
  });
});

Deno.test("a tensor keeps its numbers when the array that it was made of changes, and so does the array", () => {
  for (const type of [Float32Array, Int32Array, Uint8Array]) {
    const numbers = type.from(Array.from({ length: 100 }, (_, i) => i % 2));
    const given = numbers.slice();
    const dtype = { Float32Array: "float32", Int32Array: "int32", Uint8Array: "bool" }[type.name];
    const x = tf.tensor(given, [10, 10], dtype as "float32");
    given.fill(7);
    x.dataSync().fill(8);
    const y = tf.mul(x, 1); // TensorFlow has the numbers from here on
    given.fill(9);
    assert.deepEqual([x, y].map((x) => x.dataSync()), [numbers, y.dataSync()]);
    assert.deepEqual([...y.dataSync()], [...numbers]);
    tf.dispose([x, y]);
  }
});

/** A step of AdamW on ones; what it changes are the variables. */
const step = (weight: tf.Variable, mean: tf.Variable, square: tf.Variable) =>
  tf.tidy(() =>
    adamWStep(weight, mean, square, tf.ones(weight.shape), {
      ...{ factor: 1, decay: 1, learningRate: 0.1, step: 1 },
      ...{ beta1: 0.9, beta2: 0.9, epsilon: 1e-8 },
    })
  );

Deno.test("a step of AdamW writes in no array, slice, clone or variable but those it updates", () => {
  const numbers = Float32Array.from({ length: 48 }, (_, i) => i / 48 + 1);
  const given = numbers.slice();
  const whole = tf.tensor(given, [3, 16]); // rows of 64 bytes, of which slices are views
  const rows = [0, 1, 2].map((row) => tf.slice(whole, row, 1));
  const variables = rows.map((row) => tf.tidy(() => tf.variable(row.reshape([16]))));
  const [weight, mean, square] = variables as [tf.Variable, tf.Variable, tf.Variable];
  const values = (tensors: tf.Tensor[]) => tensors.map((x) => x.dataSync());
  const views = [
    () => [],
    (x: tf.Variable) => [x.clone()],
    (x: tf.Variable) => [x.reshape([4, 4])],
    (x: tf.Variable) => [tf.slice(x, 0, 16)],
    () => [],
  ];
  for (const view of views) {
    const viewed = variables.flatMap(view);
    const [before, those] = [values(variables), values(viewed)];
    step(weight, mean, square);
    assert.deepEqual(values(viewed), those);
    values(variables).forEach((now, i) => assert.notDeepEqual(now, before[i]));
    tf.dispose(viewed);
  }
  assert.deepEqual(given, numbers);
  assert.deepEqual(whole.dataSync(), numbers);
  tf.dispose([whole, ...rows, ...variables]);
});

const withKernels = (name: string, fn: () => void) =>
  Deno.test({ name, ignore: !port().kernels.adamW, fn });

withKernels("FusedAdamW writes where its inputs are, unless another tensor has that memory", () => {
  const sole = () => tf.add(tf.zeros([16]), 1);
  const run = (inputs: tf.Tensor[]) => {
    const results = rawOp("FusedAdamW", [...inputs, tf.ones([16]), tf.ones([9])], {}, 3);
    return results.map((x, i) => x.dataSync()[0] === inputs[i]!.dataSync()[0]);
  };
  tf.tidy(() => {
    assert.deepEqual(run([sole(), sole(), sole()]), [true, true, true]);
    const mean = sole();
    rawOp("Identity", [mean], { T: "TF_FLOAT" });
    assert.deepEqual(run([sole(), mean, sole()]), [true, false, true]);
  });
});

withKernels("FusedAdamW gives one tensor as both moments the result of two", () => {
  tf.tidy(() => {
    const sole = () => tf.add(tf.zeros([16]), 2);
    const numbers = tf.tensor1d([1, 1, 0.1, 1, 0.9, 0.1, 0.5, 0.5, 1e-8]);
    const run = (...inputs: tf.Tensor[]) =>
      rawOp("FusedAdamW", [sole(), ...inputs, tf.ones([16]), numbers], {}, 3)
        .map((x) => x.dataSync());
    const both = sole();
    assert.deepEqual(run(both, both), run(sole(), sole()));
  });
});

Deno.test("an error of TensorFlow says which op it was, and on what", () => {
  const disposed = tf.ones([2]);
  disposed.dispose();
  tf.tidy(() => {
    const [x, y] = [tf.ones<tf.Rank.R2>([4, 6]), tf.ones<tf.Rank.R2>([5, 6])];
    const index = tf.tensor2d([[5]], [1, 1], "int32");
    const errors: [run: () => unknown, message: RegExp][] = [
      [
        () => port().product(x, y),
        /^Cannot run MatMul on float32 \[4,6\], float32 \[5,6\]: TensorFlow says 'Matrix size-inc.*'$/,
      ],
      [
        () => tf.gatherND(x, index),
        /^Cannot run GatherNd on float32 \[4,6\], int32 \[1,1\]: TensorFlow says 'indices\[0\].*'$/,
      ],
      [() => rawOp("Nope", []), /^Cannot run Nope on no input: TensorFlow says '.Nope. is neither/],
      [() => tf.square(disposed), /^Cannot run Square on a tensor that was disposed of: /],
    ];
    for (const [run, message] of errors) assert.throws(run, { message });
    assert.throws(() => port().product(x, y), ({ cause }: Error) => {
      assert.match((cause as Error).message, /^Invalid TF_Status: 3\nMessage: Matrix size-inc/);
      return true;
    });
  });
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
