import { clip, writeFile } from "../files.ts";
import { type Dtype, DTYPES, type Fault, parseHeader } from "./header.ts";

export type { Dtype };

/** A tensor as a file stores it; F16 and BF16 are kept as their bits. */
export interface StoredTensor {
  /** How its numbers are stored. */
  dtype: Dtype;
  /** Sizes, the outermost first. */
  shape: number[];
  /** Its numbers, row-major. */
  data: ArrayBufferView;
}

/** A tensor to be written to a file. */
export interface TensorToWrite {
  /** How its numbers are stored. */
  dtype: Dtype;
  /** Sizes, the outermost first. */
  shape: number[];
  /** Its numbers, row-major, or a function that fetches them when they are written. */
  data: ArrayBufferView | (() => Promise<ArrayBufferView>);
}

/** An open file: its header is checked, its numbers are read on demand. */
export interface SafetensorsFile extends Disposable {
  /** The texts of the header's `__metadata__`. */
  metadata: Record<string, string>;
  /** Dtype and shape of each tensor, in the order of their bytes. */
  tensors: Map<string, { dtype: Dtype; shape: number[] }>;
  /** Reads one tensor's bytes, and no others. */
  read(name: string): Promise<StoredTensor>;
  /** Closes the file, as `using` does. */
  close(): void;
}

const MAX_HEADER = 100_000_000; // bytes, the reference parser's own limit

/**
 * Opens a .safetensors file and checks its whole header before anything else is read.
 *
 * @throws {SyntaxError} When the file is damaged or not a safetensors file; the message names the first fault.
 * @see https://huggingface.co/docs/safetensors
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await Deno.open(path);
  const fault = (expected: string, found: string) =>
    new SyntaxError(
      `Cannot read ${path} as it must have ${clip(expected)}: current value is ${clip(found)}. ` +
        "Download or save it again",
    );
  try {
    const { size } = await file.stat();
    if (size < 8) throw fault("at least 8 bytes", `${size} bytes`);
    const prefix = await readRange(path, file, 0, 8);
    const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
    if (length < 2 || length > MAX_HEADER || length > size - 8) {
      throw fault(`a header of 2 to ${Math.min(MAX_HEADER, size - 8)} bytes`, `${length}`);
    }
    const header = await readRange(path, file, 8, length);
    if (header[0] !== 0x7b) throw fault("a header that starts with '{'", `byte ${header[0]}`);
    const { metadata, tensors } = parseHeader(decode(header, fault), size - 8 - length, fault);

    const readTensor = async (name: string) => {
      const entry = tensors.get(name);
      if (!entry) {
        throw new RangeError(`Cannot read '${name}' as ${path} has no tensor of that name`);
      }
      const { dtype, shape, data_offsets: [begin, end] } = entry;
      const bytes = await readRange(path, file, 8 + length + begin, end - begin);
      return { dtype, shape, data: new DTYPES[dtype](bytes.buffer) };
    };
    let last: Promise<unknown> = Promise.resolve();
    return {
      metadata,
      tensors,
      read(name) {
        // The file has one position, so reads take turns.
        const tensor = last.then(() => readTensor(name));
        last = tensor.catch(() => {});
        return tensor;
      },
      close: () => file.close(),
      [Symbol.dispose]: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Reads every tensor of a .safetensors file; it throws what {@link openSafetensors} throws. */
export async function readSafetensors(path: string): Promise<Map<string, StoredTensor>> {
  using file = await openSafetensors(path);
  const tensors = new Map<string, StoredTensor>();
  for (const name of file.tensors.keys()) tensors.set(name, await file.read(name));
  return tensors;
}

/**
 * Writes tensors as the reference implementation does, byte for byte. The file is whole or absent.
 *
 * @param metadata Texts for the header; Transformers and peft expect `format: "pt"`. @default {{ format: "pt" }}
 * @throws {RangeError} When a tensor's bytes do not fit its shape, or a header cannot hold its name.
 */
export async function writeSafetensors(
  path: string,
  tensors: Map<string, TensorToWrite>,
  metadata: Record<string, string> = { format: "pt" },
): Promise<void> {
  const rank = (dtype: Dtype) => Object.keys(DTYPES).indexOf(dtype);
  const sorted = [...tensors].sort(([a, { dtype: x }], [b, { dtype: y }]) =>
    rank(x) - rank(y) || (a < b ? -1 : 1)
  );
  let offset = 0;
  const header: [string, unknown][] = [["__metadata__", metadata]];
  for (const [name, { dtype, shape, data }] of sorted) {
    if (name === "__metadata__" || !name.isWellFormed()) {
      throw new RangeError(
        `Cannot write '${name}' as a tensor's name must be Unicode text other than __metadata__`,
      );
    }
    if (typeof data !== "function") checkSize(name, dtype, shape, data);
    header.push([name, { dtype, shape, data_offsets: [offset, offset += byteSize(dtype, shape)] }]);
  }
  // An object would put names that are numbers first, and lose the name __proto__.
  const members = header.map((pair) => pair.map((part) => JSON.stringify(part)).join(":"));
  const json = new TextEncoder().encode(`{${members}}`);
  const padding = (8 - json.length % 8) % 8; // the data starts at a multiple of 8
  const prefix = new Uint8Array(8 + json.length + padding).fill(0x20);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(json.length + padding), true);
  prefix.set(json, 8);
  await writeFile(path, async (write) => {
    await write(prefix);
    for (const [name, { dtype, shape, data }] of sorted) {
      const numbers = typeof data === "function" ? await data() : data;
      checkSize(name, dtype, shape, numbers);
      await write(numbers);
    }
  });
}

const byteSize = (dtype: Dtype, shape: number[]) =>
  shape.reduce((a, b) => a * b, 1) * DTYPES[dtype].BYTES_PER_ELEMENT;

function checkSize(name: string, dtype: Dtype, shape: number[], { byteLength }: ArrayBufferView) {
  const expected = byteSize(dtype, shape);
  if (byteLength === expected) return;
  throw new RangeError(
    `Cannot write '${name}' as 'data' must be ${expected} bytes for ${dtype} [${shape}]: ` +
      `current value is ${byteLength}`,
  );
}

/**
 * A tensor's numbers as 32-bit floats, to be used as weights.
 *
 * @param path The file it came from, named in errors.
 * @throws {TypeError} When its numbers are not floating-point.
 * @throws {RangeError} When a number is NaN, infinite, or beyond what 32 bits hold.
 */
export function toFloat32(name: string, tensor: StoredTensor, path: string): Float32Array {
  const where = `'${name}' of ${path}`;
  const values = asFloat32(where, tensor);
  let [count, first] = [0, -1];
  // A loop, as findIndex would take fifteen times as long.
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    if (count++ === 0) first = i;
  }
  if (count === 0) return values;
  throw new RangeError(
    `Cannot use ${where} as weights as every number must be finite: ${count} of ` +
      `${values.length} are not, the first, ${values[first]}, at index ${first}. A training that ` +
      "diverged leaves such weights: take an earlier file",
  );
}

function asFloat32(where: string, { dtype, data }: StoredTensor): Float32Array {
  switch (dtype) {
    case "F32":
      return data as Float32Array;
    case "F64":
      return new Float32Array(data as Float64Array);
    case "F16": {
      const { buffer, byteOffset, byteLength } = data;
      return new Float32Array(new Float16Array(buffer as ArrayBuffer, byteOffset, byteLength / 2));
    }
    case "BF16": {
      // bfloat16 is the upper half of a float32.
      const halves = data as Uint16Array;
      const bits = new Uint32Array(halves.length);
      for (let i = 0; i < bits.length; i++) bits[i] = halves[i]! << 16;
      return new Float32Array(bits.buffer);
    }
    default:
      throw new TypeError(
        `Cannot use ${where} as weights as 'dtype' must be F32, F64, F16 or BF16: current value is ${dtype}`,
      );
  }
}

function decode(header: Uint8Array, fault: Fault): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(header);
  } catch {
    throw fault("a header in UTF-8", "other bytes");
  }
}

async function readRange(path: string, file: Deno.FsFile, start: number, length: number) {
  const bytes = new Uint8Array(length);
  await file.seek(start, Deno.SeekMode.Start);
  for (let filled = 0; filled < length;) {
    const count = await file.read(bytes.subarray(filled));
    if (count === null) {
      throw new Deno.errors.UnexpectedEof(
        `Cannot read ${path} as it was cut to ${start + filled} bytes since it was opened`,
      );
    }
    filled += count;
  }
  return bytes;
}
