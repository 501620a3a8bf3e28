import assert from "node:assert/strict";
import { fixture } from "../helpers/reference.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import {
  type Dtype,
  openSafetensors,
  readSafetensors,
  type StoredTensor,
  toFloat32,
  writeSafetensors,
} from "../../lib/safetensors/safetensors.ts";

// In the reference's order, with each type's extremes.
const EVERY_DTYPE: [Dtype, ArrayBufferView][] = [
  ["I64", new BigInt64Array([-(2n ** 63n), 2n ** 63n - 1n])],
  ["F64", new Float64Array([Number.MIN_VALUE, -Infinity])],
  ["F32", new Float32Array([2 ** -149, NaN])],
  ["I32", new Int32Array([-(2 ** 31), 2 ** 31 - 1])],
  ["BF16", new Uint16Array([0x0001, 0x7f80])],
  ["F16", new Uint16Array([0x0001, 0x7c00])],
  ["I16", new Int16Array([-32768, 32767])],
  ["I8", new Int8Array([-128, 127])],
  ["U8", new Uint8Array([0, 255])],
  ["BOOL", new Uint8Array([0, 1])],
];

Deno.test("writeSafetensors() keeps every dtype, in the reference's order", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/x.safetensors`;
  const tensors = EVERY_DTYPE.flatMap(([dtype, data]): [string, StoredTensor][] => [
    [`${dtype}.a`, { dtype, shape: [1, 2], data }],
    [`${dtype}.b`, { dtype, shape: [2], data }],
  ]);
  await writeSafetensors(path, new Map(tensors.toReversed()), { format: "pt", note: "é" });
  assert.deepEqual([...await readSafetensors(path)], tensors);
  const opened = await openSafetensors(path);
  assert.deepEqual(opened.metadata, { format: "pt", note: "é" });
  await assert.rejects(opened.read("c"), {
    name: "RangeError",
    message: /'c' .* no tensor of that name/,
  });
  opened.close();
});

Deno.test("writeSafetensors() writes the reference's bytes", async () => {
  await using folder = await temporaryFolder();
  const paths = [
    "bert/model",
    "bert/encoder/model",
    "bert/f16/model",
    "roberta/adapter/adapter_model",
  ];
  for (const path of paths.map((path) => fixture(`${path}.safetensors`))) {
    const copy = `${folder.path}/x.safetensors`;
    await writeSafetensors(copy, await readSafetensors(path));
    const [written, expected] = await Promise.all([Deno.readFile(copy), Deno.readFile(path)]);
    assert.ok(
      written.length === expected.length && written.every((x, i) => x === expected[i]),
      path,
    );
  }
});

const f32 = (shape: number[]) =>
  new Map<string, StoredTensor>([["a", { dtype: "F32", shape, data: new Float32Array(2) }]]);

Deno.test("writeSafetensors() leaves the old file when it fails", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/x.safetensors`;
  await writeSafetensors(path, f32([2]));
  const old = await Deno.readFile(path);
  await Deno.symlink("/dev/full", `${path}.partial`); // the disk is full
  await assert.rejects(writeSafetensors(path, f32([1, 2])), /No space left/);
  await assert.rejects(writeSafetensors(path, f32([3])), {
    name: "RangeError",
    message: "Cannot write 'a' as 'data' must be 12 bytes for F32 [3]: current value is 8",
  });
  assert.deepEqual(await Deno.readFile(path), old);
  assert.deepEqual(Array.from(Deno.readDirSync(folder.path), ({ name }) => name), [
    "x.safetensors",
  ]);
});

Deno.test("writeSafetensors() leaves no file where it cannot put one", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/x.safetensors`;
  await Deno.mkdir(path);
  await assert.rejects(writeSafetensors(path, f32([2])), /Is a directory/);
  assert.deepEqual(Array.from(Deno.readDirSync(folder.path), ({ name }) => name), [
    "x.safetensors",
  ]);
});

Deno.test("writeSafetensors() keeps any name that is text", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/x.safetensors`;
  const tensor: StoredTensor = { dtype: "U8", shape: [1], data: Uint8Array.of(7) };
  const names = ["", "10", "9", "__proto__", 'a"\\\n', "é😀"];
  await writeSafetensors(path, new Map(names.map((name) => [name, tensor])));
  assert.deepEqual([...(await readSafetensors(path)).keys()], names);
  for (const name of ["__metadata__", "\ud800"]) {
    await assert.rejects(writeSafetensors(path, new Map([[name, tensor]])), {
      name: "RangeError",
      message: /a tensor's name must be Unicode text other than __metadata__/,
    });
  }
});

Deno.test("openSafetensors() lets many tensors be read at once", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/x.safetensors`;
  const names = Array.from("abcdefgh");
  const data = (i: number) => new Uint8Array(100_000).fill(i);
  await writeSafetensors(
    path,
    new Map(names.map((name, i) => [name, { dtype: "U8", shape: [100_000], data: data(i) }])),
  );
  const file = await openSafetensors(path);
  const missing = assert.rejects(file.read("z"), /'z' .* no tensor of that name/);
  const tensors = await Promise.all(names.map((name) => file.read(name)));
  await missing;
  file.close();
  tensors.forEach((tensor, i) => assert.deepEqual(tensor.data, data(i)));
});

Deno.test("openSafetensors() says so when the file is cut while it is open", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/x.safetensors`;
  await writeSafetensors(path, f32([2]));
  const file = await openSafetensors(path);
  await Deno.truncate(path, (await Deno.stat(path)).size - 1);
  await assert.rejects(file.read("a"), {
    name: "UnexpectedEof",
    message: /x\.safetensors as it was cut to \d+ bytes since it was opened/,
  });
  file.close();
});

Deno.test("openSafetensors() holds a tensor once, and no other", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/x.safetensors`;
  const MB = 1_000_000;
  const size = 100 * MB;
  const tensors = ["a", "b", "c", "d"].map((name, i) => [name, {
    dtype: "F32",
    shape: [size / 4],
    data_offsets: [i * size, (i + 1) * size],
  }]);
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(tensors)));
  const prefix = new Uint8Array(8 + header.length);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(header.length), true);
  prefix.set(header, 8);
  await Deno.writeFile(path, prefix);
  await Deno.truncate(path, prefix.length + 4 * size); // takes no room on the disk

  const child = `
    import { openSafetensors } from "${new URL(
    "../../lib/safetensors/safetensors.ts",
    import.meta.url,
  )}";
    const peak = () => Number(/VmHWM:\\s*(\\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))[1]);
    const file = await openSafetensors("${path}");
    const peaks = [peak()];
    for (const name of file.tensors.keys()) {
      await file.read(name);
      peaks.push(peak());
    }
    console.log(JSON.stringify(peaks.map((kB) => kB * 1024)));`;
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", child] }).output();
  const [opened, first, , , last]: number[] = JSON.parse(new TextDecoder().decode(stdout));
  assert.ok(opened! < size, `${opened! / MB} MB before any tensor was read`);
  assert.ok(first! - opened! < 1.2 * size, `${(first! - opened!) / MB} MB for a tensor of 100 MB`);
  // The garbage of one may still be there when the next is read.
  assert.ok(last! - opened! < 2.5 * size, `${(last! - opened!) / MB} MB for four, one at a time`);
});

Deno.test("toFloat32() converts F16, subnormals included", () => {
  const bits = [0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x3c00, 0xc000, 0x3555, 0x7bff];
  const values = [0, -0, 2 ** -24, -1023 * 2 ** -24, 2 ** -14, 1, -2, 1365 / 4096, 65504];
  const view = new Uint16Array([7, ...bits]).subarray(1); // a part of a buffer
  assert.deepEqual(
    toFloat32("x", { dtype: "F16", shape: [view.length], data: view }, "m.safetensors"),
    new Float32Array(values),
  );
});

Deno.test("toFloat32() converts BF16, subnormals included", () => {
  const bits = [0x0000, 0x8000, 0x0001, 0x807f, 0x0080, 0x3f80, 0xc049, 0x7f7f];
  const values = [0, -0, 2 ** -133, -127 * 2 ** -133, 2 ** -126, 1, -3.140625, 255 * 2 ** 120];
  assert.deepEqual(
    toFloat32(
      "x",
      { dtype: "BF16", shape: [bits.length], data: new Uint16Array(bits) },
      "m.safetensors",
    ),
    new Float32Array(values),
  );
});

Deno.test("toFloat32() converts F64", () => {
  const data = new Float64Array([1 / 3, -0, 2 ** -149]);
  assert.deepEqual(
    toFloat32("x", { dtype: "F64", shape: [3], data }, "m.safetensors"),
    new Float32Array([1 / 3, -0, 2 ** -149]),
  );
});

const NON_FINITE: [Dtype, ArrayBufferView, string][] = [
  ["F32", new Float32Array([1, NaN, -Infinity, 2]), "2 of 4 are not, the first, NaN, at index 1"],
  ["F64", new Float64Array([1, 2, 1e39, 3]), "1 of 4 are not, the first, Infinity, at index 2"],
  [
    "F16",
    new Uint16Array([0xfc00, 0x7e00, 0x7c00, 0]),
    "3 of 4 are not, the first, -Infinity, at index 0",
  ],
  ["BF16", new Uint16Array([0, 0, 0, 0xff80]), "1 of 4 are not, the first, -Infinity, at index 3"],
];
for (const [dtype, data, what] of NON_FINITE) {
  Deno.test(`toFloat32() refuses ${dtype} numbers that are no weights`, () => {
    assert.throws(() => toFloat32("x", { dtype, shape: [4], data }, "m.safetensors"), {
      name: "RangeError",
      message:
        `Cannot use 'x' of m.safetensors as weights as every number must be finite: ${what}.` +
        " A training that diverged leaves such weights: take an earlier file",
    });
  });
}

Deno.test("toFloat32() refuses whole numbers", () => {
  assert.throws(
    () => toFloat32("x", { dtype: "I32", shape: [1], data: new Int32Array(1) }, "m.safetensors"),
    {
      name: "TypeError",
      message:
        "Cannot use 'x' of m.safetensors as weights as 'dtype' must be F32, F64, F16 or BF16: current value is I32",
    },
  );
});
