import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import pl from "nodejs-polars";
import { loadTokenizer } from "../../lib/tokenizer/tokenizer.ts";
import { examples, openTokens, saveTokens, tokenize } from "../../lib/tokenizer/tokens.ts";
import { MIRROR, MIRROR_MISSING } from "../fixtures/mirror.ts";
import reference from "../fixtures/tokenizer/reference.json" with { type: "json" };

const TINY = new URL("../fixtures/hub/models/tiny/wordpiece", import.meta.url).pathname;

Deno.test("the tiny WordPiece gives Python's ids: accents, emoji, nothing, too much", async () => {
  const tokenizer = await loadTokenizer(TINY);
  const ids = await tokenizer.encode(reference.tiny.map(({ text }) => text));
  assert.deepEqual(ids, reference.tiny.map((row) => row.ids));
  assert.equal(Math.max(...ids.map((row) => row.length)), tokenizer.maxLength);
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

Deno.test("tokens are int32 lists beside text and label, also after a round trip", async () => {
  const tokenizer = await loadTokenizer(TINY);
  const texts = ["The home team won", "", "Shares fell"];
  const label = pl.Series("label", [1, 0, 2], pl.Int32);
  const seen: number[] = [];
  const frame = await tokenize(
    pl.DataFrame({ text: texts, label }),
    tokenizer,
    (rows, total) => seen.push(rows, total),
  );
  assert.deepEqual(seen, [3, 3]);
  assert.deepEqual(frame.columns, ["text", "label", "input_ids"]);
  assert.equal(String(frame.dtypes[2]), String(pl.List(pl.Int32)));

  const folder = await Deno.makeTempDir();
  const tokens = { labels: ["a", "b", "c"], train: frame, evaluation: frame, test: frame.head(1) };
  await saveTokens(tokens, folder);
  const opened = await openTokens(folder);
  const expected = { inputIds: await tokenizer.encode(texts), labels: [1, 0, 2] };
  assert.deepEqual(examples(opened.train), expected);
  assert.equal(opened.test.height, 1);
  await Deno.remove(`${folder}/train.parquet`);
  await assert.rejects(
    openTokens(folder),
    /train\.parquet .* notebook 02-tokenize with the same PROFILE first/,
  );
  await Deno.remove(folder, { recursive: true });
});

for (const [model, hashes] of Object.entries(reference.agNewsTest)) {
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
