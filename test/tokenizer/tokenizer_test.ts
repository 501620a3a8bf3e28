import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import pl from "nodejs-polars";
import { Tokenizer as NativeTokenizer } from "tokenizers";
import { loadTokenizer } from "../../lib/tokenizer/tokenizer.ts";
import { examples, tokenize } from "../../lib/tokenizer/tokens.ts";
import { MIRROR, MIRROR_MISSING } from "../helpers/mirror.ts";
import reference from "../fixtures/tokenizer/reference.json" with { type: "json" };

const TINY = fileURLToPath(new URL("../fixtures/hub/models/tiny/wordpiece", import.meta.url));

Deno.test("encode() gives Python's ids: accents, emoji, zero bytes, marks, nothing, too much", async () => {
  const tokenizer = await loadTokenizer(TINY);
  const ids = await tokenizer.encode(reference.tiny.map(({ text }) => text));
  assert.deepEqual(ids, reference.tiny.map((row) => row.ids));
  assert.equal(Math.max(...ids.map((row) => row.length)), tokenizer.maxLength);
});

for (const { piece, ids } of reference.long) {
  Deno.test(`encode() gives Python's ids of a million characters of ${JSON.stringify(piece)}`, async () => {
    const tokenizer = await loadTokenizer(TINY);
    const text = piece.repeat(1_000_000 / piece.length);
    const short = [2, 77, 3];
    assert.deepEqual(await tokenizer.encode(["rose", text, "rose"]), [short, ids, short]);
  });
}

Deno.test("encode() looks no further into a long text than it needs to", async () => {
  const tokenizer = await loadTokenizer(TINY);
  const text = "the bank ".repeat(1_000_000);
  const began = performance.now();
  for (let i = 0; i < 10; i++) await tokenizer.encode([text]);
  // Nine million characters, ten times: whole, they take a minute.
  assert.ok(performance.now() - began < 2_000);
});

Deno.test("encode() takes half a surrogate pair for the replacement character", async () => {
  const tokenizer = await loadTokenizer(TINY);
  const [half, replaced] = await tokenizer.encode(["a\ud800b \udc00", "a\ufffdb \ufffd"]);
  assert.deepEqual(half, replaced);
});

Deno.test("a tokenizer knows its padding, its limit, its files and the way back", async () => {
  const tokenizer = await loadTokenizer(TINY);
  assert.equal(tokenizer.padTokenId, 0);
  assert.equal(tokenizer.maxLength, 12);
  assert.deepEqual(
    tokenizer.files,
    ["tokenizer.json", "tokenizer_config.json"].map((file) => `${TINY}/${file}`),
  );
  const [ids] = await tokenizer.encode(["The home team won"]);
  assert.equal(await tokenizer.decode(ids!), "the home team won");
});

Deno.test("RoBERTa's limit leaves out the positions it never uses", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.copyFile(`${TINY}/tokenizer.json`, `${folder}/tokenizer.json`);
  const write = (config: object) =>
    Deno.writeTextFile(`${folder}/config.json`, JSON.stringify(config));
  await write({ model_type: "roberta", pad_token_id: 1, max_position_embeddings: 514 });
  assert.equal((await loadTokenizer(folder)).maxLength, 512);
  await write({ model_type: "bert", max_position_embeddings: 512 });
  await assert.rejects(loadTokenizer(folder), /'pad_token_id' in config\.json must be/);
  await Deno.remove(`${folder}/tokenizer.json`);
  await assert.rejects(loadTokenizer(folder), /must hold tokenizer\.json/);
  await Deno.remove(folder, { recursive: true });
});

/** Spaces, line ends, marks, words that are too long, texts that look like special tokens … */
const PIECES = [
  ..."the bank |  \n|新聞|😀 |a\0b |[SEP] <s> <mask> |.,!? |it's ".split("|"),
  ..."e\u0301|\t\u00a0|\u0301 |\ufeff".split("|"),
  "x".repeat(130),
  "x".repeat(130) + " ",
];

for (const [model, hashes] of Object.entries(reference.agNewsTest)) {
  Deno.test({
    name: `${model}: encode() gives the ids of the whole text, however long${MIRROR_MISSING}`,
    ignore: MIRROR_MISSING !== "",
    async fn() {
      const folder = `${MIRROR}/models/${model}`;
      const tokenizer = await loadTokenizer(folder);
      const native = NativeTokenizer.fromFile(`${folder}/tokenizer.json`);
      native.disablePadding();
      native.setTruncation(tokenizer.maxLength);
      const texts = PIECES.flatMap((a) => PIECES.map((b) => a + b + a))
        .map((text) => text.repeat(15_000 / text.length));
      const whole = (await native.encodeBatch(texts)).map((encoding) => encoding.getIds());
      assert.deepEqual(await tokenizer.encode(texts), whole);
    },
  });

  Deno.test({
    name: `${model} gives Python's ids on the whole AG News test split${MIRROR_MISSING}`,
    ignore: MIRROR_MISSING !== "",
    async fn() {
      const path = `${MIRROR}/datasets/fancyzhx/ag_news/data/test-00000-of-00001.parquet`;
      const frame = await tokenize(
        pl.readParquet(path),
        await loadTokenizer(`${MIRROR}/models/${model}`),
      );
      const rows = examples(frame).inputIds as number[][];
      assert.equal(rows.length, 7600);
      const blocks = hashes.map((_, i) => rows.slice(100 * i, 100 * i + 100));
      assert.deepEqual(blocks.map(blockHash), hashes);
    },
  });
}

/** As in reference.py: every row as its length and its ids, little-endian int32. */
function blockHash(rows: number[][]): string {
  const flat = Int32Array.from(rows.flatMap((row) => [row.length, ...row]));
  return createHash("sha256").update(new Uint8Array(flat.buffer)).digest("hex");
}
