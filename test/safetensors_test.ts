import assert from "node:assert/strict";
import { fixture } from "./fixtures/reference.ts";
import { temporaryFolder } from "./fixtures/altered.ts";
import {
  type Dtype,
  openSafetensors,
  readSafetensors,
  type StoredTensor,
  writeSafetensors,
} from "lightweight-finetuning";
import { toFloat32 } from "../lib/safetensors.ts";

function file(header: string | Uint8Array, dataSize = 0, headerSize?: number): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.length + dataSize);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerSize ?? text.length), true);
  bytes.set(text, 8);
  return bytes;
}

/** A header with one tensor: two 32-bit floats in bytes 0 to 8, but for the fields given. */
const one = (fields: Record<string, unknown> = {}) =>
  JSON.stringify({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8], ...fields } });

/** A header with two tensors of one 32-bit float each. */
const two = (a: number[], b: number[]) =>
  JSON.stringify({
    a: { dtype: "F32", shape: [1], data_offsets: a },
    b: { dtype: "F32", shape: [1], data_offsets: b },
  });

const withInvalidUtf8 = new TextEncoder().encode(one());
withInvalidUtf8[2] = 0xff;

const REFUSED: [what: string, content: Uint8Array, fault: RegExp, size?: number][] = [
  ["fewer than 8 bytes", new Uint8Array(7), /at least 8 bytes: current value is 7 bytes/],
  [
    "a header longer than the file",
    file(one(), 8, 1000),
    /header of 2 to .*: current value is 1000/,
  ],
  [
    "a header over 100 MB",
    file("", 0, 100_000_001),
    /header of 2 to 100000000 bytes: current value is 100000001/,
    100_000_100,
  ],
  ["no header", file(""), /header of 2 to .*: current value is 0/],
  ["a header that is not UTF-8", file(withInvalidUtf8, 8), /header in UTF-8 JSON/],
  ["a header that is not JSON", file('{"a"'), /header in UTF-8 JSON/],
  ["bytes after the last tensor", file(one(), 9), /8 bytes of data: current value is 9/],
  ["a hole", file(two([0, 4], [8, 12]), 12), /'b' to begin at byte 4: current value is 8/],
  ["an overlap", file(two([0, 4], [2, 6]), 6), /'b' to begin at byte 4: current value is 2/],
  ["bytes that do not fit the shape", file(one({ shape: [3] }), 8), /12 bytes for 'a'.* is 8/],
  ["an end before its begin", file(one({ data_offsets: [8, 0] }), 8), /8 bytes for 'a'.* is -8/],
  ["a negative size", file(one({ shape: [-2] }), 8), /shape of whole numbers for 'a'.* is \[-2\]/],
  [
    "a size that overflows 64 bits to 0",
    file(one({ shape: [2 ** 32, 2 ** 32], data_offsets: [0, 0] })),
    /bytes for 'a': current value is 0/,
  ],
  ["an unknown dtype", file(one({ dtype: "F31" }), 8), /dtype of .* for 'a': current value is F31/],
  ["metadata that are no strings", file('{"__metadata__":{"x":1}}'), /metadata of strings.*"x":1/],
  // The reference accepts it, though its specification does not.
  ["a space before the header", file(" " + one(), 8), /header that starts with '{'.* byte 32/],
];

const twice = `${one().slice(0, -1)},${one({ shape: [1, 2] }).slice(1)}`;

const ACCEPTED: [what: string, content: Uint8Array, shape: number[]][] = [
  ["a plain file", file(one(), 8), [2]],
  ["spaces after the header", file(one() + "   ", 8), [2]],
  ["a tensor without numbers", file(one({ shape: [0, 3], data_offsets: [0, 0] })), [0, 3]],
  ["a scalar", file(one({ shape: [], data_offsets: [0, 4] }), 4), []],
  ["a name that comes twice", file(twice, 8), [1, 2]],
];

// The verdicts are those of the reference implementation, safetensors 0.8.0, unless a row says otherwise.
for (const [what, content, fault, size] of REFUSED) {
  Deno.test(`readSafetensors() refuses ${what}`, async () => {
    await using folder = await temporaryFolder();
    const path = `${folder.path}/x.safetensors`;
    await Deno.writeFile(path, content);
    if (size) await Deno.truncate(path, size);
    await assert.rejects(readSafetensors(path), { name: "SyntaxError", message: fault });
  });
}

for (const [what, content, shape] of ACCEPTED) {
  Deno.test(`readSafetensors() accepts ${what}`, async () => {
    await using folder = await temporaryFolder();
    await Deno.writeFile(`${folder.path}/x.safetensors`, content);
    const tensors = await readSafetensors(`${folder.path}/x.safetensors`);
    assert.deepEqual([...tensors].map(([name, { shape }]) => [name, shape]), [["a", shape]]);
  });
}

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

Deno.test("writeSafetensors() leaves the old file when it fails", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/x.safetensors`;
  const tensor = (shape: number[]) =>
    new Map([["a", { dtype: "F32" as const, shape, data: new Float32Array(2) }]]);
  await writeSafetensors(path, tensor([2]));
  const old = await Deno.readFile(path);
  await Deno.symlink("/dev/full", `${path}.partial`); // the disk is full
  await assert.rejects(writeSafetensors(path, tensor([1, 2])), /No space left/);
  await assert.rejects(writeSafetensors(path, tensor([3])), {
    name: "RangeError",
    message: "Cannot write 'a' as 'data' must be 12 bytes for F32 [3]: current value is 8",
  });
  assert.deepEqual(await Deno.readFile(path), old);
  assert.deepEqual(Array.from(Deno.readDirSync(folder.path), ({ name }) => name), [
    "x.safetensors",
  ]);
});

Deno.test("toFloat32() converts F16, subnormals and infinities included", () => {
  const bits = [0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x3c00, 0xc000, 0x3555, 0x7bff];
  const values = [0, -0, 2 ** -24, -1023 * 2 ** -24, 2 ** -14, 1, -2, 1365 / 4096, 65504];
  const view = new Uint16Array([7, ...bits, 0x7c00, 0xfc00, 0x7e00]).subarray(1); // a part of a buffer
  assert.deepEqual(
    toFloat32("x", { dtype: "F16", shape: [view.length], data: view }),
    new Float32Array([...values, Infinity, -Infinity, NaN]),
  );
});

Deno.test("toFloat32() converts BF16, subnormals and infinities included", () => {
  const bits = [0x0000, 0x8000, 0x0001, 0x807f, 0x0080, 0x3f80, 0xc049, 0x7f7f];
  const values = [0, -0, 2 ** -133, -127 * 2 ** -133, 2 ** -126, 1, -3.140625, 255 * 2 ** 120];
  const data = new Uint16Array([...bits, 0x7f80, 0xff80, 0x7fc0]);
  assert.deepEqual(
    toFloat32("x", { dtype: "BF16", shape: [data.length], data }),
    new Float32Array([...values, Infinity, -Infinity, NaN]),
  );
});

Deno.test("toFloat32() refuses whole numbers", () => {
  assert.throws(() => toFloat32("x", { dtype: "I32", shape: [1], data: new Int32Array(1) }), {
    name: "TypeError",
    message:
      "Cannot use 'x' as weights as 'dtype' must be F32, F64, F16 or BF16: current value is I32",
  });
});
