import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import pl from "nodejs-polars";
import { Tokenizer as NativeTokenizer } from "tokenizers";
import { loadTokenizer } from "../../lib/tokenizer/tokenizer.ts";
import { examples, tokenize } from "../../lib/tokenizer/tokens.ts";
import { MIRROR, MIRROR_MISSING } from "../helpers/mirror.ts";
import { tokenizerFolder } from "../helpers/tokenizers.ts";
import classes from "../fixtures/tokenizer/classes.json" with { type: "json" };
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
  const limit = async (config: object) => {
    await using folder = await tokenizerFolder({ tokenizer: "wordpiece", settings: NONE, config });
    return (await loadTokenizer(folder.path)).maxLength;
  };
  assert.equal(await limit({ model_type: "roberta", max_position_embeddings: 514 }), 512);
  const padded = { model_type: "xlm-roberta", pad_token_id: 7, tokenizer_class: "BertTokenizer" };
  assert.equal(await limit({ ...padded, max_position_embeddings: 514 }), 506);
  assert.equal(await limit({ model_type: "bert", max_position_embeddings: 514 }), 514);
  assert.equal(await limit({ model_type: "bert" }), 512); // Transformers' default
});

Deno.test("the limit is the smaller of the tokenizer's and the model's", async () => {
  const config = { model_type: "bert", max_position_embeddings: 12, pad_token_id: 0 };
  for (const [model_max_length, expected] of [[null, 12], [1e30, 12], [512, 12], [8, 8], [3, 3]]) {
    const files = { tokenizer: "wordpiece", settings: { model_max_length }, config } as const;
    await using folder = await tokenizerFolder(files);
    const tokenizer = await loadTokenizer(folder.path);
    assert.equal(tokenizer.maxLength, expected);
    const [ids] = await tokenizer.encode(["the bank ".repeat(100)]);
    assert.equal(ids!.length, expected);
  }
});

Deno.test("a limit that leaves no room for a text is refused", async () => {
  for (const model_max_length of [-5, 0, 1, 2, 1.5, "x", "8", true, [8], {}]) {
    const config = { model_type: "bert", max_position_embeddings: 12, pad_token_id: 0 };
    const files = { tokenizer: "wordpiece", settings: { model_max_length }, config } as const;
    await using folder = await tokenizerFolder(files);
    await assert.rejects(loadTokenizer(folder.path), {
      name: "TypeError",
      message: "Cannot load a tokenizer as 'model_max_length' in tokenizer_config.json must be a " +
        `whole number from 3 or null: current value is ${JSON.stringify(model_max_length)}. ` +
        "Correct it, or leave it out for the model's own limit",
    });
  }
});

Deno.test("numbers of config.json that are none are refused", async () => {
  for (const [field, values] of Object.entries({ pad_token_id: [-1, 1.5, "x"], ...POSITIONS })) {
    for (const value of values) {
      const config = { model_type: "bert", [field]: value };
      await using folder = await tokenizerFolder({ tokenizer: "wordpiece", settings: {}, config });
      const message = new RegExp(`'${field}' in config\\.json must be a whole number from`);
      await assert.rejects(loadTokenizer(folder.path), { name: "TypeError", message });
    }
  }
});

Deno.test("the padding id is the tokenizer's own or, where it has none, the model's", async () => {
  const raw = { tokenizer_class: "PreTrainedTokenizerFast" };
  const rows: [object, object, number][] = [
    [{}, { model_type: "bert" }, 0],
    [{ pad_token: "the" }, { model_type: "bert", pad_token_id: 0 }, 5],
    [{ pad_token: null }, { model_type: "bert", pad_token_id: 3 }, 3],
    [{ ...raw, pad_token: null }, { model_type: "bert" }, 0],
    [{ ...raw, pad_token: null }, { model_type: "roberta", pad_token_id: null }, 1],
  ];
  for (const [settings, config, expected] of rows) {
    const files = { tokenizer: "wordpiece", settings: { ...settings }, config } as const;
    await using folder = await tokenizerFolder(files);
    assert.equal((await loadTokenizer(folder.path)).padTokenId, expected);
  }
});

const NONE = { model_max_length: null, tokenizer_class: "BertTokenizer" };
const POSITIONS = { max_position_embeddings: [0, 2, -1, 1.5, "x"] };

Deno.test("a file that is missing, or no tokenizer's, is refused with its name", async () => {
  const refused = async (files: Record<string, string | null>, message: RegExp) => {
    for (const tokenizer_class of ["BertTokenizer", "PreTrainedTokenizerFast"]) {
      const settings = { tokenizer_class };
      const config = { model_type: "bert", max_position_embeddings: 12, pad_token_id: 0 };
      await using folder = await tokenizerFolder({ tokenizer: "wordpiece", settings, config });
      for (const [name, content] of Object.entries(files)) {
        const path = `${folder.path}/${name}`;
        await (content === null ? Deno.remove(path) : Deno.writeTextFile(path, content));
      }
      await assert.rejects(loadTokenizer(folder.path), { name: "TypeError", message });
    }
  };
  for (const file of ["tokenizer.json", "config.json"]) {
    await refused({ [file]: null }, new RegExp(`must hold ${file}`));
  }
  for (const file of [...READ, "special_tokens_map.json", "added_tokens.json"]) {
    for (const content of ["", "{", "[1]", "null", "<html>", "\0".repeat(9)]) {
      await refused(
        { [file]: content },
        new RegExp(`as .*/${file} must be a JSON object: .* Download`),
      );
    }
  }
  const { wordpiece, unigram } = classes.tokenizers;
  const kinds = [
    {},
    { model: null },
    { model: 7 },
    { model: { type: "Other" } },
    { ...wordpiece, model: { ...wordpiece.model, vocab: 7 } },
    { ...wordpiece, model: { ...wordpiece.model, vocab: { a: -1 } } },
    { ...wordpiece, model: { ...wordpiece.model, vocab: { a: "x" } } },
    { ...unigram, model: { ...unigram.model, vocab: 7 } },
    { ...wordpiece, added_tokens: [{ id: 0 }] },
  ];
  for (const kind of kinds) {
    const text = JSON.stringify(kind);
    await refused({ "tokenizer.json": text }, /tokenizer\.json must be .* [Dd]ownload/);
  }
});

const READ = ["tokenizer.json", "tokenizer_config.json", "config.json"];

Deno.test("a class that is unknown is refused with those that are known", async () => {
  const load = async (settings: Record<string, unknown>, config?: object) => {
    const files = { tokenizer: "wordpiece", settings, ...config && { config } } as const;
    await using folder = await tokenizerFolder(files);
    await loadTokenizer(folder.path);
  };
  await assert.rejects(load({ tokenizer_class: "CamembertTokenizer" }), {
    message:
      "Cannot load a tokenizer as 'tokenizer_class' in tokenizer_config.json must be one of " +
      "BertTokenizer, DistilBertTokenizer, ElectraTokenizer, RobertaTokenizer, " +
      "XLMRobertaTokenizer, PreTrainedTokenizer, PythonBackend, TokenizersBackend: current value " +
      "is \"CamembertTokenizer\". 'tokenizer_class': 'PreTrainedTokenizerFast' in " +
      "tokenizer_config.json takes tokenizer.json as it is",
  });
  const named = { model_type: "bert", tokenizer_class: "T5Tokenizer" };
  await assert.rejects(
    load({}, named),
    /'tokenizer_class' in config\.json must be .*"T5Tokenizer"/,
  );
  await assert.rejects(load({}, { model_type: "mpnet" }), /'model_type' in config\.json must be/);
  await assert.rejects(load({}, {}), /'model_type' in config\.json must be/);
});

Deno.test("token types that the model is not given are refused", async () => {
  const tokenizer_class = "PreTrainedTokenizerFast";
  const model_input_names = ["input_ids", "token_type_ids", "attention_mask"];
  const settings = { tokenizer_class, model_input_names };
  const config = { model_type: "bert", max_position_embeddings: 12, pad_token_id: 0 };
  await using folder = await tokenizerFolder({ tokenizer: "wordpiece", settings, config });
  await assert.rejects(loadTokenizer(folder.path), /token types are 0: current value is \[0,0,1\]/);
});

Deno.test("encode() and decode() refuse what is no text or no id", async () => {
  const { encode, decode } = await loadTokenizer(TINY);
  const refused = (call: () => Promise<unknown>, what: string, value: string) =>
    assert.rejects(call, {
      name: "TypeError",
      message: `Cannot ${what}: current value${value}`,
    });
  const texts = "encode as the argument must be a list of texts";
  for (const wrong of [5, null, undefined, ["a", "b"]] as never[]) {
    await refused(
      () => encode(["a", wrong]),
      texts,
      ` at 1 (the first is 0) is ${Deno.inspect(wrong)}`,
    );
  }
  await refused(() => encode("abc" as never), texts, ' is "abc"');
  const ids = "decode as the argument must be a list of ids, whole numbers from 0";
  for (const wrong of [-1, 1.5, NaN, 2 ** 32 + 5, "5", 7n, null] as never[]) {
    await refused(
      () => decode([2, wrong]),
      ids,
      ` at 1 (the first is 0) is ${Deno.inspect(wrong)}`,
    );
  }
  await refused(() => decode(5 as never), ids, " is 5");
  assert.equal(await decode([1e9]), ""); // as in Transformers
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
