import assert from "node:assert/strict";
import pl, { type DataFrame } from "nodejs-polars";
import { type DatasetOptions, loadDataset } from "../../lib/dataset/dataset.ts";
import { caughtWarnings, values, withCsv } from "../helpers/sources.ts";

const COUNTS = { trainRows: 2, evaluationRows: 2, testRows: 2 };
const LABELS = ["a", "b"];
const csv = (rows: string) => `text,label\n${rows}`;
const NUMBERED = Array.from({ length: 6 }, (_, i) => `text ${i},${LABELS[i % 2]}\n`).join("");

/** The same rows in each part, in whatever order. */
const texts = (...parts: DataFrame[]) => parts.flatMap((part) => values(part, "text")).sort();

Deno.test("loadDataset() cuts all rows of a csv file by its seed, class by class", async () => {
  const names = ["b", "a", "b", "b", "a", "b", "a", "a", "b", "a", "a"];
  const text = "text,label\n" + names.map((name, i) => `"row, ${i}",${name}\n`).join("");
  const load = (seed?: number) =>
    withCsv(text, (file) => loadDataset({ file }, seed === undefined ? {} : { seed }));
  const { labels, ...parts } = await load();
  const { train, evaluation, test } = parts;
  assert.deepEqual(labels, ["b", "a"]);
  assert.deepEqual([train, evaluation, test].map(({ height }) => height), [7, 2, 2]);
  assert.deepEqual(texts(train, evaluation, test), names.map((_, i) => `row, ${i}`).sort());
  for (const part of [train, evaluation, test]) {
    const rows = values(part, "text").map((text) => Number(String(text).slice(5)));
    assert.deepEqual(values(part, "label"), rows.map((row) => labels.indexOf(names[row]!)));
  }
  for (const part of [evaluation, test]) assert.deepEqual(values(part, "label").toSorted(), [0, 1]);
  assert.deepEqual(train.columns, ["text", "label"]);
  assert.equal(String(train.schema.label), String(pl.Int32));
  assert.deepEqual(values((await load()).train, "text"), values(train, "text"));
  assert.notDeepEqual(values((await load(1)).train, "text"), values(train, "text"));
  const other = await withCsv(text, (file) => loadDataset({ file, labels: ["a", "b"] }));
  assert.deepEqual(
    values(other.train, "label"),
    values(train, "label").map((label) => 1 - Number(label)),
  );
});

Deno.test("loadDataset() gives each class of the built-in headlines its share of each part", async () => {
  using warnings = caughtWarnings();
  const labels = ["World", "Sports", "Business", "Sci/Tech"];
  const counts = { trainRows: 480, evaluationRows: 80, testRows: 80 };
  const shares = { trainRows: 0.75, evaluationRows: 0.125, testRows: 0.125 };
  for (
    const [rows, sizes] of [[counts, [120, 20, 20]], [shares, [120, 20, 20]], [{}, [
      128,
      16,
      16,
    ]]] as const
  ) {
    const { train, evaluation, test } = await loadDataset(
      { file: "data/headlines.csv", labels },
      rows,
    );
    [train, evaluation, test].forEach((part, i) => {
      const numbers = values(part, "label");
      const ofEach = labels.map((_, label) => numbers.filter((number) => number === label).length);
      assert.deepEqual(ofEach, labels.map(() => sizes[i]));
    });
  }
  assert.deepEqual(warnings.said, []);
});

/** What a csv file holds, and what the message says of it: row, column, remedy. */
const FAULTS: [what: string, content: string | Uint8Array, message: RegExp][] = [
  [
    "no label column",
    "text,topic\nx,a\n",
    /which column holds the classes[^]*"topic", such as "a"[^]*labelColumn: "topic"/,
  ],
  [
    "no text column",
    "txt,label\nx,a\n",
    /which column holds the texts[^]*"txt", such as "x"[^]*textColumns: "txt"/,
  ],
  ["nothing", "", /which column holds the texts\. Its columns are\n {2}none/],
  ["no rows", csv(""), /rows of at least two .* is 0 rows of \["a","b"\]\. Add/],
  ["no text", csv(`${NUMBERED},a\n`), /'text' must be .* row 7 .* is null\. Correct/],
  ["no label", csv(`${NUMBERED}x,\n`), /'label' must be .* row 7 .* is null\. Correct/],
  ["an unknown label", csv("x,c\n"), /'label' must be one of a, b, .* row 1 .* is "c"\. /],
  ["a label in spaces", csv(`${NUMBERED}x, a\n`), /'label' .* row 7 .* is " a"\. Correct/],
  ["a number too large", csv("x,1\nx,2\n"), /'label' must be .* row 2 .* is "2"\. Correct/],
  ["a negative number", csv("x,-1\n"), /'label' must be .* row 1 .* is "-1"\. Correct/],
  ["a comma in a text", csv("x,a\nx, y,b\n"), /row 2 .* 2 fields, not 3\. Put texts with/],
  ["a field too few", csv("x,a\nx\n"), /row 2 .* must have 2 fields, not 1\. Put texts/],
  ["an open quote", csv('x,a\n"x,b\nx,a\n'), /row 2 .* a closing quote to each opening/],
  [
    "a quote in a text",
    csv('"x" y,a\n'),
    /row 1 .* behind a closing quote\. Put texts with commas/,
  ],
  [
    "a quote within a text",
    csv('x,a\nx "y" z,a\n'),
    /row 2 .* quotes only around whole fields\. Put/,
  ],
];
for (const [what, content, message] of FAULTS) {
  const name = /which column/.test(message.source) ? "TypeError" : "RangeError";
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

Deno.test("loadDataset() refuses more rows than there are, half a row, and no file", async () => {
  const refused: [rows: DatasetOptions, message: RegExp][] = [
    [{ trainRows: 7 }, /'trainRows' must be a share .* or a whole number from 1 to 6: .* is 7$/],
    [{ testRows: 1.5 }, /'testRows' must be .* from 0 to 6: current value is 1\.5$/],
    [{ evaluationRows: 0 }, /'evaluationRows' must be .* from 1 to 6: current value is 0$/],
    [
      { trainRows: 4, testRows: 0.5 },
      /together at most its 6 rows, .* is 4 to train on, 2 for evaluation, 3 for test\. Lower/,
    ],
  ];
  for (const [rows, message] of refused) {
    await withCsv(
      csv(NUMBERED),
      (file) => assert.rejects(loadDataset({ file }, rows), { name: "RangeError", message }),
    );
  }
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
    assert.deepEqual(
      texts(train, evaluation, test),
      Array.from({ length: 6 }, (_, i) => `text ${i}`),
    );
    for (const part of [train, evaluation, test]) {
      assert.deepEqual(values(part, "label").toSorted(), [0, 1]);
    }
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
  const { train, evaluation, test } = await withCsv(
    csv(quoted.join("")),
    (file) => loadDataset({ file }),
  );
  assert.deepEqual(texts(train, evaluation, test), odd.toSorted());
});

Deno.test("loadDataset() tells of texts that are trained and measured on, and names their rows", async () => {
  using warnings = caughtWarnings();
  const content = Array.from({ length: 8 }, (_, i) => `p,${LABELS[i % 2]}\n`).join("");
  await withCsv(csv(content), (file) => loadDataset({ file }, { ...COUNTS, testRows: 0 }));
  assert.match(
    warnings.said.join("\n"),
    /^The accuracy on the part evaluation of .*\.csv will be too high: 2 of its 2 rows have the text of a training row \(row \d is training row \d, row \d is training row \d; the first row is 1\)\. Remove one of each$/,
  );
});

Deno.test("loadDataset() reads a csv file once", () =>
  withCsv(csv(NUMBERED), async (file) => {
    const { train } = await loadDataset({ file }, COUNTS);
    const before = values(train, "text");
    Deno.writeTextFileSync(file, "gone");
    assert.deepEqual(values(train, "text"), before);
  }));
