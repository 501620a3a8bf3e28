import assert from "node:assert/strict";
import { readSafetensors } from "../../lib/safetensors/safetensors.ts";
import { type TensorRow, tensorRows } from "../helpers/tensor_rows.ts";
import { mutatedFiles } from "../helpers/safetensors_cases.ts";
import { parity, python } from "../helpers/live.ts";

const FILES = Number(Deno.env.get("FUZZ_FILES") ?? 5_000);
const BATCH = 10_000;

/** A file's tensors, null where it is refused. */
type Verdict = TensorRow[] | null;

parity(
  `readSafetensors() reads no file otherwise than the reference: ${FILES} of them`,
  async (folder) => {
    const counts = { "both read": 0, "both refuse": 0, "only the reference reads": 0 };
    let slowest = 0;
    for (let seed = 0; seed * BATCH < FILES; seed++) {
      const files = mutatedFiles(Math.min(BATCH, FILES - seed * BATCH), seed);
      const verdicts = await reference(files, folder);
      for (const [i, file] of files.entries()) {
        const began = performance.now();
        const ours = await verdict(file, `${folder}/x.safetensors`);
        slowest = Math.max(slowest, performance.now() - began);
        const theirs = verdicts[i]!;
        if (ours) assert.deepEqual(ours, theirs, `file ${i} of seed ${seed}: ${file.toBase64()}`);
        counts[ours ? "both read" : theirs ? "only the reference reads" : "both refuse"]++;
      }
    }
    assert.ok(counts["both read"] > FILES / 20, "too few whole files to say anything of values");
    assert.ok(slowest < 5_000, `a file took ${slowest} ms`);
    console.log(counts, `slowest ${slowest.toFixed(1)} ms`);
  },
);

async function verdict(file: Uint8Array, path: string): Promise<Verdict> {
  Deno.writeFileSync(path, file);
  try {
    return tensorRows(await readSafetensors(path));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

async function reference(files: Uint8Array[], folder: string): Promise<Verdict[]> {
  using cases = await Deno.create(`${folder}/cases`);
  for (const file of files) {
    cases.writeSync(new Uint8Array(Uint32Array.of(file.length).buffer));
    cases.writeSync(file);
  }
  await python("safetensors_verdicts.py", `${folder}/cases`, `${folder}/verdicts`);
  const lines = await Deno.readTextFile(`${folder}/verdicts`);
  return lines.trimEnd().split("\n").map((line) => JSON.parse(line));
}
