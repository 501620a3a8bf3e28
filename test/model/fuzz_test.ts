import assert from "node:assert/strict";
import { createRandom, loadClassifier } from "lightweight-finetuning";
import { temporaryFolder } from "../helpers/altered.ts";
import { printed } from "../helpers/printed.ts";
import { fixture } from "../helpers/reference.ts";

const ROUNDS = Number(Deno.env.get("SOAK") ?? 25) * 40;

/** What a field may hold by mistake; config_test.ts has numbers that are out of range. */
const VALUES = [
  ...'null true 0 1 -1 2.5 3 64 [] {} [[]] [null] [1,2] {"0":0} {"0":"a","1":"b"}'.split(" "),
  ...'"" "x" "bert" "gelu" "../x" "/dev/null" "constructor" "\\u0000" "model.safetensors"'.split(
    " ",
  ),
  ...[100, 5000, 50_000].map((depth) => "[".repeat(depth) + "]".repeat(depth)),
  `"${"a".repeat(50_000)}"`,
];

/** Fields that are not in the fixtures. */
const FIELDS = [
  ..."problem_type num_labels _num_labels torch_dtype quantization_config transformers_weights"
    .split(" "),
  ..."architectures id2label label2id model_type weight_map metadata __proto__ constructor".split(
    " ",
  ),
];

/** A text of JSON with one fault, or none. */
function mutated(text: string, below: (n: number) => number): string {
  const pick = <T>(from: T[]) => from[below(from.length)]!;
  const at = below(text.length);
  switch (below(5)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(0, at) + pick([...'{}[]:,"\\0-eé\0\ufeff']) + text.slice(at + below(2));
    case 2:
      return text.slice(0, at) + text.slice(at + 1 + below(40));
    case 3:
      return text.replace("{", `{${JSON.stringify(pick(FIELDS))}:${pick(VALUES)},`);
    default: {
      const members = [...text.matchAll(/: ?("[^"]*"|[\w.+-]+|\{[^{}]*\}|\[[^\]]*\])/g)];
      const { index, 0: member } = pick(members);
      return text.slice(0, index) + `:${pick(VALUES)}` + text.slice(index + member.length);
    }
  }
}

Deno.test("loadClassifier() loads a damaged checkpoint, or names the file and the fault in a sentence", async () => {
  await using folder = await temporaryFolder();
  const random = createRandom(12);
  let draws: ArrayLike<number> = [];
  let used = 0;
  const below = (n: number) => {
    if (used === draws.length) [draws, used] = [random.uniform(10_000), 0];
    return Math.floor(draws[used++]! * n);
  };
  const { path } = folder;
  for await (const { name } of Deno.readDir(fixture("bert/sharded"))) {
    await Deno.copyFile(fixture(`bert/sharded/${name}`), `${path}/${name}`);
  }
  const files = [
    "config.json",
    "model.safetensors.index.json",
    "model-00003-of-00003.safetensors",
  ];
  let [loaded, slowest] = [0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    const name = files[round % files.length]!;
    const bytes = await Deno.readFile(`${path}/${name}`);
    const damaged = name.endsWith(".json")
      ? new TextEncoder().encode(mutated(new TextDecoder().decode(bytes), below))
      : withHeader(bytes, (header) => mutated(header, below));
    await Deno.writeFile(`${path}/${name}`, damaged);
    const began = performance.now();
    await printed(async () => {
      const model = await loadClassifier(path).catch((error) => {
        const shown = damaged.length < 4000 ? new TextDecoder().decode(damaged) : damaged.length;
        assert.ok(
          error instanceof Error && error.message.startsWith("Cannot "),
          `${error} ${shown}`,
        );
        assert.ok(error.message.includes(path), `${error} ${shown}`);
        assert.ok(error.message.length < 2000, `${error.message.length} characters`);
      });
      if (model) loaded++;
      model?.dispose();
    });
    slowest = Math.max(slowest, performance.now() - began);
    await Deno.writeFile(`${path}/${name}`, bytes);
  }
  console.log(`${loaded} of ${ROUNDS} load, the slowest in ${slowest.toFixed()} ms`);
  assert.ok(loaded > ROUNDS / 20 && loaded < ROUNDS / 2, `${loaded} of ${ROUNDS} load`);
  assert.ok(slowest < 10_000, `one took ${slowest} ms`);
});

/** A .safetensors file with another header before the same data. */
function withHeader(file: Uint8Array, change: (header: string) => string): Uint8Array {
  const length = Number(new DataView(file.buffer).getBigUint64(0, true));
  const header = new TextEncoder().encode(
    change(new TextDecoder().decode(file.subarray(8, 8 + length))),
  );
  const size = new Uint8Array(BigUint64Array.of(BigInt(header.length)).buffer);
  return Uint8Array.of(...size, ...header, ...file.subarray(8 + length));
}
