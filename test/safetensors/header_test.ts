import assert from "node:assert/strict";
import { readSafetensors } from "../../lib/safetensors/safetensors.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { tensorRows } from "../helpers/tensor_rows.ts";
import table from "../fixtures/safetensors.json" with { type: "json" };

/** What the reference parser accepts and we do not: its specification forbids it, or we have no use for it. */
const STRICTER = [
  "a space before the header",
  "a name that comes twice",
  "a key of the metadata that comes twice",
  "a field that is not known",
  "a field that nests 120 deep",
  "fields as a list",
  "the dtype U32",
  "a 0 before a size over 2^53",
  "metadata that are null",
];

const FAULTS: Record<string, RegExp> = {
  "fewer than 8 bytes": /at least 8 bytes: current value is 7 bytes/,
  "a header longer than the file": /a header of 2 to 62 bytes: current value is 1000/,
  "a header of 2^64 - 1 bytes": /a header of 2 to 62 bytes: current value is 18446744073709552000/,
  "a header that is not UTF-8": /a header in UTF-8/,
  "a header that is not JSON": /':' at character 5 of its header: current value is its end/,
  "a space before the header": /a header that starts with '{': current value is byte 32/,
  "a name that comes twice": /each name once in its header: current value is a second 'a'/,
  "an unknown dtype": /a dtype of I64, .* BOOL for 'a': current value is F31/,
  "no shape": /a dtype, a shape and two data_offsets for 'a': current value is {"dtype":"F32",/,
  "a field that is not known": /only dtype, shape and data_offsets for 'a': current value is x/,
  "bytes that do not fit the shape": /12 bytes for 'a': current value is 8/,
  "a negative size": /a whole number .* at character 30 of its header: current value is -2/,
  "a size that overflows 64 bits to 0": /a possible shape for 'a': .* \[4294967296,4294967296\]/,
  "an end before its begin": /8 bytes for 'a': current value is -8/,
  "bytes after the last tensor": /8 bytes of data: current value is 9/,
  "a hole": /'b' to begin at byte 4: current value is 8/,
  "an overlap": /'b' to begin at byte 4: current value is 2/,
  "metadata that are no strings": /'"' at character 22 of its header: current value is 1/,
};
const ANY_FAULT = /^Cannot read .* as it must have .*: current value is .*\. Download or save it/s;

for (const { what, file, tensors } of table) {
  const refused = tensors === null || STRICTER.includes(what);
  Deno.test(`readSafetensors() ${refused ? "refuses" : "reads"} ${what}`, async () => {
    await using folder = await temporaryFolder();
    const path = `${folder.path}/x.safetensors`;
    await Deno.writeFile(path, Uint8Array.fromBase64(file));
    if (refused) {
      const message = FAULTS[what] ?? ANY_FAULT;
      await assert.rejects(readSafetensors(path), { name: "SyntaxError", message });
    } else assert.deepEqual(tensorRows(await readSafetensors(path)), tensors);
  });
}

Deno.test("the table has every case that this file names", () => {
  const cases = table.map(({ what }) => what);
  for (const what of [...STRICTER, ...Object.keys(FAULTS)]) assert.ok(cases.includes(what), what);
});

Deno.test("readSafetensors() refuses a header over 100 MB in a file that holds one", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/x.safetensors`;
  await Deno.writeFile(path, Uint8Array.of(0x01, 0xe1, 0xf5, 0x05, 0, 0, 0, 0)); // 100,000,001
  await Deno.truncate(path, 100_000_100);
  const message = /a header of 2 to 100000000 bytes: current value is 100000001/;
  await assert.rejects(readSafetensors(path), { name: "SyntaxError", message });
});
