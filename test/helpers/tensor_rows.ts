import type { StoredTensor } from "../../lib/safetensors/safetensors.ts";

/** What a file's tensors are, as safetensors_verdicts.py writes it: name, dtype, shape, bytes in hexadecimal. */
export type TensorRow = readonly [string, string, number[], string];

export function tensorRows(tensors: Map<string, StoredTensor>): TensorRow[] {
  const rows = [...tensors].map(([name, { dtype, shape, data }]): TensorRow => [
    name,
    dtype,
    shape,
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength).toHex(),
  ]);
  return rows.sort(([a], [b]) => a < b ? -1 : 1);
}
