import assert from "node:assert/strict";
import pl from "nodejs-polars";
import { loadDataset } from "../../lib/dataset/dataset.ts";
import { caughtWarnings, values, withCsv } from "../helpers/sources.ts";

const COUNTS = { trainRows: 2, evaluationRows: 2, testRows: 2 };
const LABELS = ["a", "b"];
const csv = (rows: string) => `text,label\n${rows}`;
const NUMBERED = Array.from({ length: 6 }, (_, i) => `text ${i},${LABELS[i % 2]}\n`).join("");

Deno.test("loadDataset() cuts a csv file class by class in its own order", async () => {
  const names = ["b", "a", "b", "b", "a", "b", "a", "a", "b", "a", "a"];
  const text = "text,label\n" + names.map((name, i) => `"row, ${i}",${name}\n`).join("");
  const counts = { trainRows: 4, evaluationRows: 2, testRows: 2 };
  const dataset = await withCsv(text, (file) => loadDataset({ file }, counts));
  assert.deepEqual(dataset.labels, ["b", "a"]);
  const rows = (...numbers: number[]) => numbers.map((number) => `row, ${number}`);
  assert.deepEqual(values(dataset.train, "text"), rows(0, 1, 2, 4));
  assert.deepEqual(values(dataset.evaluation, "text"), rows(3, 6));
  assert.deepEqual(values(dataset.test, "text"), rows(5, 7));
  assert.deepEqual(values(dataset.train, "label"), [0, 1, 0, 1]);
  assert.deepEqual(dataset.train.columns, ["text", "label"]);
  assert.equal(String(dataset.train.schema.label), String(pl.Int32));
  const labels = ["a", "b"];
  const other = await withCsv(text, (file) => loadDataset({ file, labels }, counts));
  assert.deepEqual(values(other.train, "label"), [1, 0, 1, 0]);
});

Deno.test("loadDataset() gives each class of the built-in headlines its share of each part", async () => {
  using warnings = caughtWarnings();
  const labels = ["World", "Sports", "Business", "Sci/Tech"];
  const counts = { trainRows: 480, evaluationRows: 80, testRows: 80 };
  const [dataset, whole] = await Promise.all(
    [counts, {}].map((rows) => loadDataset({ file: "data/headlines.csv", labels }, rows)),
  );
  // By default the evaluation and the test take a tenth each, and no row is left out.
  const parts = ["train", "evaluation", "test"] as const;
  assert.deepEqual(parts.map((part) => whole![part].height), [512, 64, 64]);
  for (const [part, share] of [["train", 120], ["evaluation", 20], ["test", 20]] as const) {
    const numbers = values(dataset![part], "label");
    assert.deepEqual(
      labels.map((_, label) => numbers.filter((number) => number === label).length),
      labels.map(() => share),
      part,
    );
  }
  assert.deepEqual(warnings.said, []);
});

/** What a csv file holds, and what the message says of it: row, column, remedy. */
const FAULTS: [what: string, content: string | Uint8Array, message: RegExp][] = [
  ["no label column", "text,topic\nx,a\n", /column 'label': .* text, topic\. Rename or add/],
  ["no text column", "txt,label\nx,a\n", /column 'text': .* txt, label\. Rename or add/],
  ["another separator", "text;label\nx;a\n", /column 'label': .* text;label\. Rename or add/],
  ["nothing", "", /must have a column 'label': its columns are none/],
  ["no rows", csv(""), /rows of at least two .* is 0 rows of \["a","b"\]\. Add/],
  ["no text", csv(`${NUMBERED},a\n`), /'text' must be .* row 7 .* is null\. Correct/],
  ["no label", csv(`${NUMBERED}x,\n`), /'label' must be .* row 7 .* is null\. Correct/],
  ["an unknown label", csv("x,c\n"), /'label' must be one of a, b, .* row 1 .* is "c"\. /],
  ["a label in spaces", csv(`${NUMBERED}x, a\n`), /'label' .* row 7 .* is " a"\. Correct/],
  ["a number too large", csv("x,1\nx,2\n"), /'label' must be .* row 2 .* is "2"\. Correct/],
  ["a negative number", csv("x,-1\n"), /'label' must be .* row 1 .* is "-1"\. Correct/],
  ["too few rows", csv("x,a\nx,b\n"), /class a must have 3 rows: current value is 1\. Add/],
  ["a comma in a text", csv("x,a\nx, y,b\n"), /row 2 .* 2 fields, not 3\. Put texts with/],
  ["a field too few", csv("x,a\nx\n"), /row 2 .* must have 2 fields, not 1\. Put texts/],
  ["an open quote", csv('x,a\n"x,b\nx,a\n'), /row 2 .* a closing quote to each opening/],
  ["a quote in a text", csv('"x" y,a\n'), /row 1 .* behind a closing quote\. Put texts/],
  [
    "a quote within a text",
    csv('x,a\nx "y" z,a\n'),
    /row 2 .* quotes only around whole fields\. Put/,
  ],
  [
    "bytes that are not UTF-8",
    Uint8Array.of(...new TextEncoder().encode("text,label\nx,a\ncaf"), 0xe9, 0x2c, 0x61),
    /must be in UTF-8, which line 3 is not\. Save it as 'CSV UTF-8'/,
  ],
];
for (const [what, content, message] of FAULTS) {
  const name = /column/.test(message.source) ? "TypeError" : "RangeError";
  Deno.test(`loadDataset() refuses a csv file with ${what}`, () =>
    withCsv(
      content,
      (file) => assert.rejects(loadDataset({ file, labels: LABELS }, COUNTS), { name, message }),
    ));
}

Deno.test("loadDataset() refuses a csv file of one class", () =>
  withCsv(csv("x,a\ny,a\n"), (file) =>
    assert.rejects(loadDataset({ file }, COUNTS), {
      name: "RangeError",
      message:
        /rows of at least two classes: current value is 2 rows of \["a"\]\. Add some, or choose/,
    })));

Deno.test("loadDataset() refuses to cut what is no multiple of the classes, and no file", async () => {
  await withCsv(
    csv(NUMBERED),
    (file) =>
      assert.rejects(
        loadDataset({ file }, { ...COUNTS, trainRows: 3 }),
        /multiple of its 2 classes/,
      ),
  );
  await assert.rejects(
    loadDataset({ file: "data/none.csv" }),
    /'file' must be .* data\/none\.csv/,
  );
});

/** Ways to write the same six rows. */
const LIKE: [what: string, content: string][] = [
  ["CRLF", csv(NUMBERED).replaceAll("\n", "\r\n")],
  ["CR", csv(NUMBERED).replaceAll("\n", "\r")],
  ["a byte order mark", `\ufefftext,label\n${NUMBERED}`],
  ["a byte order mark before a quote", `\ufeff"text","label"\n${NUMBERED}`],
  ["blank lines", `text,label\n\n${NUMBERED}\n\n`],
  ["no line end at its end", csv(NUMBERED.trimEnd())],
  ["every field in quotes", csv(NUMBERED.replace(/[^,\n]+/g, '"$&"'))],
  ["numbers for labels", csv(NUMBERED.replace(/a$/gm, "0").replace(/b$/gm, "1"))],
  ["other columns", `id,text,label,,\n${NUMBERED.replace(/.+/g, "7,$&,,")}`],
];
for (const [what, content] of LIKE) {
  Deno.test(`loadDataset() reads a csv file with ${what}`, async () => {
    const parts = await withCsv(content, (file) => loadDataset({ file, labels: LABELS }, COUNTS));
    const { train, evaluation, test } = parts;
    const texts = [train, evaluation, test].flatMap((part) => values(part, "text"));
    assert.deepEqual(texts, Array.from({ length: 6 }, (_, i) => `text ${i}`));
    assert.deepEqual(values(test, "label"), [0, 1]);
  });
}

Deno.test("loadDataset() keeps every text as it is in a csv file", async () => {
  const odd = [
    "",
    " ",
    "a\0b",
    "😀👩‍👩‍👧",
    "one\r\ntwo\nthree\r",
    "a\ufeffmark",
    'a "quote", a comma',
    "x".repeat(1e6),
  ];
  const quoted = odd.map((text, i) => `"${text.replaceAll('"', '""')}",${LABELS[i % 2]}\n`);
  const { train } = await withCsv(
    csv(quoted.join("") + NUMBERED),
    (file) => loadDataset({ file }, { ...COUNTS, trainRows: 8 }),
  );
  assert.deepEqual(values(train, "text"), odd);
});

Deno.test("loadDataset() tells of texts that are trained and measured on, and names their rows", async () => {
  using warnings = caughtWarnings();
  const texts = ["p", "q", "r", "s", "q", "t", "t", "p"];
  const content = texts.map((text, i) => `${text},${LABELS[i % 2]}\n`).join("");
  await withCsv(csv(content), (file) => loadDataset({ file }, COUNTS));
  assert.match(
    warnings.said.join("\n"),
    /^The accuracy on the part test of .*\.csv will be too high: 1 of its 2 rows have the text of a training row \(row 5 is training row 2; the first row is 1\)\. Remove one of each$/,
  );
});

Deno.test("loadDataset() reads a csv file once", () =>
  withCsv(csv(NUMBERED), async (file) => {
    const { train } = await loadDataset({ file }, COUNTS);
    Deno.writeTextFileSync(file, "gone");
    assert.deepEqual(values(train, "text"), ["text 0", "text 1"]);
  }));
