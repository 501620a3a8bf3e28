import assert from "node:assert/strict";
import { readSafetensors } from "../../lib/safetensors/safetensors.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { type TensorRow, tensorRows } from "../helpers/tensor_rows.ts";
import { mutatedFiles } from "../helpers/safetensors_cases.ts";

// test/parity/safetensors_test.ts compares with the reference parser, on as many files as one likes.
Deno.test("readSafetensors() reads what a trusting reader reads, or refuses it", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/x.safetensors`;
  let [read, slowest] = [0, 0];
  for (const [i, file] of mutatedFiles(3_000, 1).entries()) {
    Deno.writeFileSync(path, file);
    const began = performance.now();
    const tensors = await readSafetensors(path).catch((error) => error);
    slowest = Math.max(slowest, performance.now() - began);
    if (tensors instanceof SyntaxError) continue;
    assert.ok(tensors instanceof Map, `file ${i}: ${tensors} on ${file.toBase64()}`);
    assert.deepEqual(tensorRows(tensors), trusted(file), `file ${i}: ${file.toBase64()}`);
    read++;
  }
  assert.ok(read > 300, `only ${read} were whole`);
  assert.ok(slowest < 5_000, `one took ${slowest} ms`);
});

/** Reads a file without a check. */
function trusted(file: Uint8Array<ArrayBuffer>): TensorRow[] {
  const start = 8 + Number(new DataView(file.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, start)));
  delete header.__metadata__;
  return Object.keys(header).sort().map((name) => {
    const { dtype, shape, data_offsets: [begin, end] } = header[name];
    return [name, dtype, shape, file.subarray(start + begin, start + end).toHex()];
  });
}
