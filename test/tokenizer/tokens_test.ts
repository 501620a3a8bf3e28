import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import pl, { type DataFrame } from "nodejs-polars";
import { openDataset, saveDataset } from "../../lib/dataset/files.ts";
import { caughtWarnings } from "../helpers/sources.ts";
import { loadTokenizer, type Tokenizer } from "../../lib/tokenizer/tokenizer.ts";
import { examples, tokenize, tokenLoss } from "../../lib/tokenizer/tokens.ts";

const TINY = fileURLToPath(new URL("../fixtures/hub/models/tiny/wordpiece", import.meta.url));

Deno.test("tokenize() adds int32 lists beside text and label, also after a round trip", async () => {
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
  await saveDataset(tokens, folder);
  const opened = await openDataset(folder);
  const inputIds = (await tokenizer.encode(texts)).map((ids) => Int32Array.from(ids));
  assert.deepEqual(examples(opened.train), { inputIds, labels: [1, 0, 2] });
  assert.equal(opened.test.height, 1);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("examples() gives views of one array, also of empty rows and of none", async () => {
  const tokenizer = await loadTokenizer(TINY);
  const texts = Array.from({ length: 2001 }, (_, i) => "The home team ".repeat(i % 7));
  const label = pl.Series("label", texts.map((_, i) => i % 3), pl.Int32);
  const frame = await tokenize(pl.DataFrame({ text: texts, label }), tokenizer);
  const inputIds = examples(frame).inputIds as Int32Array[];
  assert.deepEqual(inputIds.map((ids) => Array.from(ids)), await tokenizer.encode(texts));
  assert.equal(new Set(inputIds.map(({ buffer }) => buffer)).size, 1);
  const some = examples(frame.slice(1, 3)).inputIds;
  assert.deepEqual(some, inputIds.slice(1, 4));
  assert.deepEqual(examples(await tokenize(frame.head(0), tokenizer)).inputIds, []);

  const of = (lists: unknown[]) =>
    examples(pl.DataFrame({
      input_ids: pl.Series("input_ids", lists, pl.List(pl.Int32)),
      label: lists.map(() => 0),
    })).inputIds;
  assert.deepEqual(of([[], [2, 3], []]), [[], [2, 3], []].map((ids) => Int32Array.from(ids)));
  for (const lists of [[[1], [2, null], []], [[1], null]]) assert.deepEqual(of(lists), lists);
  const wide = pl.DataFrame({ input_ids: [[2, 1.5]], label: [0] }); // Float64
  assert.deepEqual(examples(wide).inputIds, [[2, 1.5]]);
});

Deno.test("tokenize() encodes long rows a few at a time", async () => {
  using _warnings = caughtWarnings();
  const sizes: number[] = [];
  const tokenizer: Tokenizer = {
    ...await loadTokenizer(TINY),
    encode(texts) {
      sizes.push(texts.length);
      return Promise.resolve(texts.map((text) => [text.length]));
    },
  };
  const lengths = [400_000, 400_000, 400_000, 2_000_000, ...Array(1001).fill(1)];
  const frame = await tokenize(
    pl.DataFrame({ text: lengths.map((length) => "x".repeat(length)) }),
    tokenizer,
  );
  assert.deepEqual(sizes, [3, 1, 1000, 1]);
  const ids = frame.getColumn("input_ids").toArray() as unknown as number[][];
  assert.deepEqual(ids.map(([length]) => length), lengths);
});

Deno.test("tokenize() and examples() name the column and the row that is wrong", async () => {
  const tokenizer = await loadTokenizer(TINY);
  const text = pl.Series("text", ["a", null], pl.Utf8);
  const frames: [DataFrame, string, RegExp][] = [
    [
      pl.DataFrame({ texts: ["a"] }),
      "TypeError",
      /a column 'text': its columns are texts\. Rename/,
    ],
    [pl.DataFrame({ text: [1] }), "TypeError", /'text' must be a text: .* row 1 .* is 1\. Correct/],
    [pl.DataFrame({ text }), "RangeError", /'text' must be a text: .* row 2 .* is null\. Correct/],
  ];
  for (const [frame, name, message] of frames) {
    await assert.rejects(tokenize(frame, tokenizer), { name, message });
  }
  assert.throws(() => examples(pl.DataFrame({ text, label: [0, 1] })), {
    name: "TypeError",
    message: /a column 'input_ids': its columns are text, label/,
  });
  assert.throws(() => examples(pl.DataFrame({ input_ids: [[1]] })), {
    name: "TypeError",
    message: /a column 'label': its columns are input_ids/,
  });
});

Deno.test("tokenize() says which share of the tokens is unknown, and of the texts too long", async () => {
  using warnings = caughtWarnings();
  const tokenizer = await loadTokenizer(TINY);
  const known = new Array(96).fill("The home team won");
  const texts = (count: number, text: string) =>
    pl.DataFrame({ text: [...known, ...new Array(count).fill(text)] });
  await tokenize(texts(1, "жж жж жж"), tokenizer);
  await tokenize(texts(1, "team ".repeat(1000)), tokenizer);
  assert.equal(warnings.said.length, 0);
  await tokenize(texts(4, "жж ".repeat(10)), tokenizer);
  const [[, ...ids] = []] = await tokenizer.encode(["жж"]);
  assert.equal(ids[0], tokenizer.unkTokenId);
  const share = 40 / (96 * (await tokenizer.encode(known))[0]!.length + 4 * 12);
  assert.ok(
    warnings.said[0]!.startsWith(`${(100 * share).toFixed(1)} % of the tokens are unknown`),
  );
  const long = await tokenize(texts(4, "team ".repeat(1000)), tokenizer);
  assert.deepEqual(tokenLoss(long, tokenizer), { unknownTokens: 0, fullTexts: 0.04 });
  assert.match(
    warnings.said[1]!,
    /^4\.0 % of the texts have \d+ tokens or more, .*\. Put first/,
  );
});
