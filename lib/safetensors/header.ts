/** How a tensor's numbers are stored; the names are the file format's own. */
export type Dtype = "I64" | "F64" | "F32" | "I32" | "BF16" | "F16" | "I16" | "I8" | "U8" | "BOOL";

/** The header of a .safetensors file. */
export interface Header {
  metadata: Record<string, string>;
  /** In the order of their bytes. */
  tensors: Map<string, HeaderEntry>;
}

/** One tensor's entry in the header. */
export interface HeaderEntry {
  dtype: Dtype;
  shape: number[];
  /** First byte and the byte after the last, counted from the header's end. */
  data_offsets: [number, number];
}

/** Makes the error for a file that is not as the format demands. */
export type Fault = (expected: string, found: string) => Error;

/** The array that holds each dtype's numbers; the reference writes tensors in this order, then by name. */
export const DTYPES = {
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

const WHOLE = /0|[1-9]\d*/y;

/**
 * Parses a header and checks it against the size of the data that follows it: every byte must belong to exactly one
 * tensor, and each tensor's bytes must fit its shape.
 *
 * The format is stricter than JSON.parse, which takes the last of two equal keys, 1.0 for 1 and -0 for 0, and accepts
 * lone surrogates.
 *
 * @throws What `fault` returns for the first fault.
 * @see https://github.com/huggingface/safetensors#format
 */
export function parseHeader(text: string, dataSize: number, fault: Fault): Header {
  const metadata = new Map<string, string>();
  const entries = new Map<string, HeaderEntry>();
  let at = 0;

  object((name) => {
    if (name === "__metadata__") object((key) => metadata.set(key, string()));
    else entries.set(name, entry(name));
  });
  if (peek() !== "") throw unexpected("nothing but spaces after its end");

  const tensors = [...entries].sort(([, { data_offsets: a }], [, { data_offsets: b }]) =>
    a[0] - b[0] || a[1] - b[1]
  );
  let position = 0;
  for (const [name, { data_offsets: [begin, end] }] of tensors) {
    if (begin !== position) throw fault(`'${name}' to begin at byte ${position}`, `${begin}`);
    position = end;
  }
  if (position !== dataSize) throw fault(`${position} bytes of data`, `${dataSize}`);
  return { metadata: Object.fromEntries(metadata), tensors: new Map(tensors) };

  function entry(name: string): HeaderEntry {
    const fields: Partial<HeaderEntry> = {};
    object((key) => {
      if (key === "dtype") fields.dtype = dtype(name);
      else if (key === "shape") fields.shape = sizes();
      else if (key === "data_offsets") fields.data_offsets = sizes() as [number, number];
      else throw fault(`only dtype, shape and data_offsets for '${name}'`, key);
    });
    const { dtype: type, shape, data_offsets: offsets } = fields;
    if (!type || !shape || offsets?.length !== 2) {
      throw fault(`a dtype, a shape and two data_offsets for '${name}'`, JSON.stringify(fields));
    }
    let bytes = DTYPES[type].BYTES_PER_ELEMENT;
    for (const size of shape) {
      bytes *= size;
      if (!Number.isSafeInteger(bytes)) throw fault(`a possible shape for '${name}'`, `[${shape}]`);
    }
    const [begin, end] = offsets;
    if (end - begin !== bytes) throw fault(`${bytes} bytes for '${name}'`, `${end - begin}`);
    return { dtype: type, shape, data_offsets: offsets };
  }

  function dtype(name: string): Dtype {
    const value = string();
    if (Object.hasOwn(DTYPES, value)) return value as Dtype;
    throw fault(`a dtype of ${Object.keys(DTYPES).join(", ")} for '${name}'`, value);
  }

  function sizes(): number[] {
    const sizes: number[] = [];
    list("[", "]", () => {
      peek();
      WHOLE.lastIndex = at;
      const [digits = ""] = WHOLE.exec(text) ?? [];
      const size = Number(digits);
      if (!digits || !Number.isSafeInteger(size)) throw unexpected("a whole number below 2^53");
      at += digits.length;
      sizes.push(size);
    });
    return sizes;
  }

  function object(member: (key: string) => void) {
    const keys = new Set<string>();
    list("{", "}", () => {
      const key = string();
      if (keys.has(key)) throw fault("each name once in its header", `a second '${key}'`);
      keys.add(key);
      take(":");
      member(key);
    });
  }

  function list(open: string, close: string, item: () => void) {
    take(open);
    if (peek() !== close) {
      item();
      while (peek() === ",") {
        at++;
        item();
      }
    }
    take(close);
  }

  function string(): string {
    take('"');
    const begin = at - 1;
    while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    try {
      const value: string = JSON.parse(text.slice(begin, ++at));
      if (value.isWellFormed()) return value;
    } catch {
      // Reported below.
    }
    at = begin;
    throw unexpected("a text");
  }

  function take(sign: string) {
    if (peek() !== sign) throw unexpected(`'${sign}'`);
    at++;
  }

  /** The next character that is not a space, or "" at the end. */
  function peek(): string {
    while (" \t\n\r".includes(text[at] ?? "x")) at++;
    return text[at] ?? "";
  }

  function unexpected(expected: string) {
    return fault(`${expected} at character ${at + 1} of its header`, text.slice(at) || "its end");
  }
}
