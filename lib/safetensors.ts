/** How a tensor's numbers are stored; the names are the file format's own. */
export type Dtype = keyof typeof DTYPES;

/** A tensor as it stands in a file; F16 and BF16 are kept as their bits. */
export interface StoredTensor {
  dtype: Dtype;
  shape: number[];
  data: ArrayBufferView;
}

/** An open file: its header is checked, its numbers are read on demand. */
export interface SafetensorsFile {
  metadata: Record<string, string>;
  tensors: Map<string, { dtype: Dtype; shape: number[] }>;
  read(name: string): Promise<StoredTensor>;
  close(): void;
}

// The reference writes tensors in this order, then by name.
const DTYPES = {
  I64: BigInt64Array,
  F64: Float64Array,
  F32: Float32Array,
  I32: Int32Array,
  BF16: Uint16Array,
  F16: Uint16Array,
  I16: Int16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
};

const MAX_HEADER = 100_000_000; // the reference parser's own limit

interface Entry {
  dtype: Dtype;
  shape: number[];
  data_offsets: [number, number];
}

/**
 * Opens a .safetensors file and checks its whole header before anything else is read.
 *
 * @throws {SyntaxError} When the file is damaged or is no safetensors file; the message names the first fault.
 * @see https://huggingface.co/docs/safetensors
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await Deno.open(path);
  try {
    const { size } = await file.stat();
    if (size < 8) throw fault(path, "a file of at least 8 bytes", `${size} bytes`);
    const prefix = await readRange(file, 0, 8);
    const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
    if (length < 2 || length > MAX_HEADER || length > size - 8) {
      throw fault(path, `a header of 2 to ${Math.min(MAX_HEADER, size - 8)} bytes`, `${length}`);
    }
    const header = parseHeader(path, await readRange(file, 8, length));
    const { __metadata__: metadata = {}, ...entries } = header;
    checkMetadata(path, metadata);
    const tensors = checkEntries(path, entries, size - 8 - length);
    return {
      metadata,
      tensors,
      async read(name) {
        const entry = tensors.get(name);
        if (!entry) {
          throw new RangeError(`Cannot read '${name}' as ${path} has no tensor of that name`);
        }
        const [begin, end] = entry.data_offsets;
        const bytes = await readRange(file, 8 + length + begin, end - begin);
        const data = new DTYPES[entry.dtype](bytes.buffer);
        return { dtype: entry.dtype, shape: entry.shape, data };
      },
      close: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Reads every tensor of a .safetensors file. Errors are those of {@link openSafetensors}. */
export async function readSafetensors(path: string): Promise<Map<string, StoredTensor>> {
  const file = await openSafetensors(path);
  try {
    const tensors = new Map<string, StoredTensor>();
    for (const name of file.tensors.keys()) tensors.set(name, await file.read(name));
    return tensors;
  } finally {
    file.close();
  }
}

/**
 * Writes tensors in the reference implementation's order and bytes. The file appears whole or not at all: it is
 * written aside, flushed and renamed.
 *
 * @param metadata Texts for the header; Transformers and peft expect `format: "pt"`. @default {{ format: "pt" }}
 */
export async function writeSafetensors(
  path: string,
  tensors: Map<string, StoredTensor>,
  metadata: Record<string, string> = { format: "pt" },
): Promise<void> {
  const rank = (dtype: Dtype) => Object.keys(DTYPES).indexOf(dtype);
  const sorted = [...tensors].sort(([a, { dtype: x }], [b, { dtype: y }]) =>
    rank(x) - rank(y) || (a < b ? -1 : 1)
  );
  let offset = 0;
  const header: Record<string, unknown> = { __metadata__: metadata };
  for (const [name, { dtype, shape, data }] of sorted) {
    const expected = shape.reduce((a, b) => a * b, 1) * DTYPES[dtype].BYTES_PER_ELEMENT;
    if (data.byteLength !== expected) {
      throw new RangeError(
        `Cannot write '${name}' as 'data' must be ${expected} bytes for ${dtype} [${shape}]: ` +
          `current value is ${data.byteLength}`,
      );
    }
    header[name] = { dtype, shape, data_offsets: [offset, offset += data.byteLength] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padding = (8 - json.length % 8) % 8; // the data starts at a multiple of 8
  const prefix = new Uint8Array(8 + json.length + padding).fill(0x20);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(json.length + padding), true);
  prefix.set(json, 8);
  const partial = `${path}.partial`;
  const file = await Deno.create(partial);
  try {
    await writeAll(file, prefix);
    for (const [, { data }] of sorted) await writeAll(file, data);
    await file.sync();
  } catch (error) {
    await Deno.remove(partial);
    throw error;
  } finally {
    file.close();
  }
  await Deno.rename(partial, path);
}

/** The numbers of a floating-point tensor as 32-bit floats. */
export function toFloat32(name: string, { dtype, data }: StoredTensor): Float32Array {
  switch (dtype) {
    case "F32":
      return data as Float32Array;
    case "F64":
      return Float32Array.from(data as Float64Array);
    case "F16":
      return Float32Array.from(
        new Float16Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength / 2),
      );
    case "BF16":
      // bfloat16 is the upper half of a float32.
      return new Float32Array(Uint32Array.from(data as Uint16Array, (bits) => bits << 16).buffer);
    default:
      throw new TypeError(
        `Cannot use '${name}' as weights as 'dtype' must be F32, F64, F16 or BF16: current value is ${dtype}`,
      );
  }
}

function parseHeader(path: string, bytes: Uint8Array) {
  if (bytes[0] !== 0x7b) throw fault(path, "a header that starts with '{'", `byte ${bytes[0]}`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw fault(path, "a header in UTF-8 JSON", (error as Error).message);
  }
  return header as { __metadata__?: Record<string, string> } & Record<string, Entry>;
}

function checkMetadata(path: string, metadata: unknown) {
  const texts = metadata !== null && typeof metadata === "object" ? Object.values(metadata) : [0];
  if (!texts.every((text) => typeof text === "string")) {
    throw fault(path, "metadata of strings", JSON.stringify(metadata));
  }
}

/** Every byte of the data must belong to exactly one tensor, and each tensor's bytes must fit its shape. */
function checkEntries(path: string, entries: Record<string, Entry>, dataSize: number) {
  for (const [name, entry] of Object.entries(entries)) checkEntry(path, name, entry);
  const byOffset = Object.entries(entries).sort(([, a], [, b]) =>
    a.data_offsets[0] - b.data_offsets[0] || a.data_offsets[1] - b.data_offsets[1]
  );
  let position = 0;
  for (const [name, { data_offsets: [begin, end] }] of byOffset) {
    if (begin !== position) throw fault(path, `'${name}' to begin at byte ${position}`, `${begin}`);
    position = end;
  }
  if (position !== dataSize) throw fault(path, `${position} bytes of data`, `${dataSize}`);
  return new Map(byOffset);
}

function checkEntry(path: string, name: string, entry: Entry) {
  const { dtype, shape, data_offsets: offsets } = entry ?? {};
  if (!Object.hasOwn(DTYPES, dtype)) {
    throw fault(path, `a dtype of ${Object.keys(DTYPES).join(", ")} for '${name}'`, `${dtype}`);
  }
  const isSize = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0;
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    throw fault(path, `a shape of whole numbers for '${name}'`, JSON.stringify(shape));
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize)) {
    throw fault(path, `two data offsets for '${name}'`, JSON.stringify(offsets));
  }
  const bytes = shape.reduce((a, b) => a * b, DTYPES[dtype].BYTES_PER_ELEMENT);
  if (offsets[1] - offsets[0] !== bytes) {
    throw fault(path, `${bytes} bytes for '${name}'`, `${offsets[1] - offsets[0]}`);
  }
}

const fault = (path: string, expected: string, found: string) =>
  new SyntaxError(
    `Cannot read ${path} as it must have ${expected}: current value is ${found}. Download or save it again`,
  );

async function readRange(file: Deno.FsFile, start: number, length: number) {
  const bytes = new Uint8Array(length);
  await file.seek(start, Deno.SeekMode.Start);
  for (let filled = 0; filled < length;) {
    const count = await file.read(bytes.subarray(filled));
    if (count === null) {
      throw new Deno.errors.UnexpectedEof(`Cannot read past ${start + filled} bytes`);
    }
    filled += count;
  }
  return bytes;
}

async function writeAll(file: Deno.FsFile, view: ArrayBufferView) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  for (let written = 0; written < bytes.length;) {
    written += await file.write(bytes.subarray(written));
  }
}
