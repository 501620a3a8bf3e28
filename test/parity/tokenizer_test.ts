import assert from "node:assert/strict";
import { createRandom, loadTokenizer } from "lightweight-finetuning";
import { parity, python } from "../helpers/live.ts";
import { MIRROR, MIRROR_MISSING } from "../helpers/mirror.ts";
import { randomText } from "../helpers/random_text.ts";
import { type TokenizerCase, tokenizerFolder } from "../helpers/tokenizers.ts";
import reference from "../fixtures/tokenizer/classes.json" with { type: "json" };

const FOLDERS = Number(Deno.env.get("TOKENIZER_FOLDERS") ?? 60);
const TEXTS = 50;
const MODELS = ["FacebookAI/roberta-base", "sentence-transformers/all-MiniLM-L6-v2"];
const cases = reference.cases as TokenizerCase[];

parity("settings drawn together give AutoTokenizer's ids of random texts", async (folder) => {
  const stream = createRandom(Number(Deno.env.get("SEED") ?? 1));
  const random = () => stream.uniform(1)[0]!;
  const pick = <T>(from: T[]) => from[Math.floor(random() * from.length)]!;
  const drawn = Array.from({ length: FOLDERS }, () => {
    const { tokenizer, config } = pick(cases);
    const others = cases.filter((one) => one.tokenizer === tokenizer);
    const merge = (part: "settings" | "map" | "added" | "patch") =>
      Object.assign({}, ...[1, 2, 3].map(() => pick(others)[part]));
    return {
      tokenizer,
      config,
      settings: { ...merge("settings"), model_max_length: pick([3, 7, 20, 300]) },
      map: merge("map"),
      added: merge("added"),
      patch: merge("patch"),
    } as TokenizerCase;
  });
  const tried: [path: string, texts: string[]][] = [];
  const texts = (longest: number) =>
    Array.from({ length: TEXTS }, () => randomText(random, longest));
  for (const one of drawn) {
    tried.push([(await tokenizerFolder(one, folder)).path, texts(pick([40, 40, 400]))]);
  }
  for (const model of MIRROR_MISSING ? [] : MODELS) {
    tried.push([`${MIRROR}/models/${model}`, [...texts(40), ...texts(4000)]]);
  }
  await Deno.writeTextFile(`${folder}/cases.json`, JSON.stringify(tried));
  await python("../fixtures/tokenizer.py", folder);

  const live = JSON.parse(await Deno.readTextFile(`${folder}/live.json`));
  assert.deepEqual(live.fields, reference.fields);
  let refused = 0;
  for (const [i, [path, texts]] of tried.entries()) {
    const encode = async () => (await loadTokenizer(path)).encode(texts);
    const { ids, error } = live.outcomes[i];
    if (error) {
      await assert.rejects(encode, TypeError, error + JSON.stringify(drawn[i]));
      refused++;
      continue;
    }
    const ours = (await encode()).map((row) => row.join(" "));
    assert.deepEqual(ours, ids.split(" | "), JSON.stringify(drawn[i]));
  }
  assert.ok(refused < FOLDERS / 2);
  console.log(
    `${tried.length - refused} folders of ${TEXTS} texts alike, ${refused} refused by both`,
  );
});
