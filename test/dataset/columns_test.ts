import assert from "node:assert/strict";
import { loadDataset } from "../../lib/dataset/dataset.ts";
import { caughtLines, caughtWarnings, values, withCsv } from "../helpers/sources.ts";

/** A csv of these columns, nine rows of three classes: a cell is its column's name and the row. */
const csv = (...names: string[]) => {
  const rows = Array.from(
    { length: 9 },
    (_, row) =>
      names.map((name) =>
        /label|class|target|stars/i.test(name) ? `c${row % 3}` : `${name} ${row}`
      ),
  );
  return [names, ...rows].map((cells) => cells.join(",")).join("\n");
};

const FOUND: [names: string[], text: RegExp, said: RegExp | undefined][] = [
  [["text", "label"], /^text \d$/, undefined],
  [["Text", "LABEL"], /^Text \d$/, /texts from 'Text', classes from 'LABEL'$/],
  [["id", "sentence", "label"], /^sentence \d$/, /csv: texts from 'sentence'$/],
  [["Class", "Content"], /^Content \d$/, /texts from 'Content', classes from 'Class'$/],
  [
    ["title", "description", "target"],
    /^title (\d) description \1$/,
    /texts from 'title' and 'description', classes from 'target'$/,
  ],
  [["text", "title", "description", "labels"], /^text \d$/, /csv: classes from 'labels'$/],
  [["headline", "label"], /^headline \d$/, /csv: texts from 'headline'$/],
];
for (const [names, text, said] of FOUND) {
  Deno.test(`loadDataset() finds texts and classes among ${names}`, async () => {
    using lines = caughtLines();
    const { train, labels } = await withCsv(csv(...names), loadDataset);
    for (const value of values(train, "text")) assert.match(String(value), text);
    assert.deepEqual(labels, ["c0", "c1", "c2"]);
    assert.equal(lines.lines.length, said ? 1 : 0);
    if (said) assert.match(lines.lines[0]!, said);
  });
}

Deno.test("loadDataset() takes the columns asked for, and joins several", async () => {
  using lines = caughtLines();
  const options = { textColumns: ["where", "text"], labelColumn: "stars" };
  const { train } = await withCsv(
    csv("text", "where", "stars"),
    (file) => loadDataset(file, options),
  );
  for (const value of values(train, "text")) assert.match(String(value), /^where (\d) text \1$/);
  assert.deepEqual(lines.lines, []);
});

const UNCLEAR: [names: string[], options: object, message: RegExp][] = [
  [
    ["a", "b"],
    {},
    /which column holds the texts\. Its columns are\n {2}"a", such as "a 0"\n {2}"b", such as "b 0"\nWrite, for example, loadDataset\("\/.*\.csv", \{ textColumns: "a", labelColumn: "b" \}\)$/,
  ],
  [
    ["sentence", "review", "label"],
    {},
    /the texts\.[^]* textColumns: "sentence", labelColumn: "label"/,
  ],
  [["text", "class", "category"], {}, /the classes\.[^]*labelColumn: "class"/],
  [
    ["text", "label"],
    { labelColumn: "labl" },
    /'labelColumn' must be one of its columns, 'text' and 'label': current value is 'labl'\. Did you mean 'label'\?/,
  ],
  [["text", "label"], { textColumns: ["text", "titel"] }, /'textColumns' must be one of .*'titel'/],
  [["text", "label"], { textColumns: "label" }, /the texts and which classes/],
  [["text", "label"], { textColumns: [] }, /the texts\./],
  [
    ["text", "label"],
    { textColumn: "text" },
    /an option must be .*'textColumn'\. Did you mean 'textColumns'\?/,
  ],
];
for (const [names, options, message] of UNCLEAR) {
  Deno.test(`loadDataset() asks about ${names} with ${JSON.stringify(options)}`, () =>
    withCsv(
      csv(...names),
      (file) => assert.rejects(loadDataset(file, options), { name: "TypeError", message }),
    ));
}

Deno.test("loadDataset() of a file without a header says so", () =>
  withCsv(
    '3,"Wall St. bears claw back into the black"\n4,"Comets, asteroids and planets"\n',
    (file) =>
      assert.rejects(
        loadDataset(file),
        /first row looks like data, .*: write a line such as text,label above it/,
      ),
  ));

const LABELS: [what: string, labels: string[], expected: string[], numbers?: number[]][] = [
  ["ids out of order", ["3", "1", "0", "2"], ["0", "1", "2", "3"], [3, 1, 0, 2]],
  ["stars", ["5", "1", "3", "2", "4"], ["1", "2", "3", "4", "5"], [4, 0, 2, 1, 3]],
  ["ten ids", ["10", "9", "2"], ["2", "9", "10"]],
  ["ids as pandas writes them", ["1.0", "0.0"], ["0", "1"], [1, 0]],
  ["half stars", ["4.5", "4", "0.5"], ["0.5", "4", "4.5"]],
  ["negative ids", ["1", "-1", "0"], ["-1", "0", "1"]],
  ["booleans", ["True", "False"], ["False", "True"], [1, 0]],
  ["texts", ["sport", "art"], ["sport", "art"], [0, 1]],
];
for (const [what, labels, expected, numbers] of LABELS) {
  Deno.test(`loadDataset() orders ${what}`, async () => {
    const rows = Array.from(
      { length: 10 },
      (_, i) => labels.map((label) => `${label} ${i},${label}`),
    );
    const dataset = await withCsv(["text,label", ...rows.flat()].join("\n"), loadDataset);
    assert.deepEqual(dataset.labels, expected);
    const texts = values(dataset.train, "text");
    const found = values(dataset.train, "label");
    labels.forEach((label, i) => {
      const row = texts.findIndex((text) => String(text).startsWith(`${label} `));
      assert.equal(found[row], numbers?.[i] ?? expected.indexOf(label));
    });
  });
}

Deno.test("loadDataset() points at labels that are likely one", async () => {
  using warnings = caughtWarnings();
  const labels = [
    "Business",
    "Sports",
    "Sports",
    "Business ",
    "Business",
    "sports",
    "Sports",
    "Busines",
    "Arts",
  ];
  const rows = [...labels, ...labels.slice(0, 3)].map((label, i) => `text ${i},${label}`);
  await withCsv(["text,label", ...rows].join("\n"), (file) => loadDataset(file));
  const said = warnings.said.filter((line) => line.includes("class of its own")).join("\n");
  assert.match(
    said,
    /the label "Business " \(1 ×, in row 4\) is a class of its own beside "Business"\. If/,
  );
  assert.match(said, /the label "sports" \(1 ×, in row 6\) is a class of its own beside "Sports"/);
  assert.match(said, /the label "Busines" \(1 ×, in row 8\) is .* beside "Business"/);
  assert.equal(said.split("\n").length, 3);
});

Deno.test("loadDataset() refuses numbers to predict as classes", () => {
  const rows = Array.from({ length: 40 }, (_, i) => `text ${i},${i * 1.37}`);
  return withCsv(["text,label", ...rows].join("\n"), (file) =>
    assert.rejects(loadDataset(file), {
      name: "RangeError",
      message:
        /'label' must name a few classes: it has 40 different values in 40 rows, such as 0, 1\.37, .*\. Choose/,
    }));
});

Deno.test("loadDataset() leaves out rows without a text or label only on request", async () => {
  using warnings = caughtWarnings();
  const rows = Array.from({ length: 9 }, (_, i) => `text ${i},${"ab"[i % 2]}`);
  const content = ["text,label", ",a", ...rows, "x,", ",", ",b", ",b", ",b", ",b"].join("\n");
  await withCsv(content, (file) =>
    assert.rejects(
      loadDataset(file),
      /row 1 \(.*\) is null, and so in 5 more \(row 12, 13, 14, 15, 16\)\. Correct or remove such rows, leave them out with skipIncomplete: true, or/,
    ));
  const { train, evaluation, test } = await withCsv(
    content,
    (file) => loadDataset(file, { skipIncomplete: true }),
  );
  assert.equal(train.height + evaluation.height + test.height, 9);
  assert.match(
    warnings.said[0]!,
    /left out 7 rows without a text or label, row 1, 11, 12, 13, 14, …$/,
  );
});
