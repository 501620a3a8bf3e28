import assert from "node:assert/strict";
import { type DatasetSource, loadDataset } from "../../lib/dataset/dataset.ts";
import { stratify } from "../../lib/dataset/split.ts";
import { createRandom } from "../../lib/device/random.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { caughtWarnings, values, withCsv } from "../helpers/sources.ts";

const countIn = (rows: number[], classOf: number[], label: number) =>
  rows.filter((row) => classOf[row] === label).length;

Deno.test("stratify() gives 500 random data sets parts of the sizes asked for, in proportion, no row twice", () => {
  const random = createRandom(7);
  const int = (below: number) => Math.floor(random.uniform(1)[0]! * below);
  for (let round = 0; round < 500; round++) {
    const counts = Array.from({ length: 2 + int(20) }, () => 1 + int(round % 3 ? 200 : 4));
    const classOf = counts.flatMap((count, label) => new Array<number>(count).fill(label));
    const total = classOf.length;
    const evaluation = 1 + int(total / 3);
    const test = int(total / 3);
    const train = int(2) ? total - evaluation - test : 1 + int(total - evaluation - test);
    const parts = stratify(classOf, [train, evaluation, test], round);
    assert.deepEqual(parts.map(({ length }) => length), [train, evaluation, test]);
    assert.equal(new Set(parts.flat()).size, train + evaluation + test);
    counts.forEach((count, label) => {
      [train, evaluation, test].forEach((size, part) => {
        const found = countIn(parts[part]!, classOf, label);
        if (count > 2 && size >= counts.length) {
          assert.ok(found >= 1, `${counts}: ${label} in ${part}`);
        }
        // Where each class has many rows, it is within one row for each part of its share.
        if (Math.min(...counts) < 20) return;
        const exact = count * size / total;
        assert.ok(Math.abs(found - exact) <= counts.length, `${found} of ${exact}`);
      });
    });
    assert.deepEqual(stratify(classOf, [train, evaluation, test], round), parts);
  }
});

const rowsOf = (counts: Record<string, number>) =>
  Object.entries(counts).flatMap(([label, count]) =>
    Array.from({ length: count }, (_, i) => `${label} ${i},${label}`)
  );
const csv = (counts: Record<string, number>) => ["text,label", ...rowsOf(counts)].join("\n");

/** What comes of data of these shapes; each part's rows by class. */
const SHAPES: [counts: number[], parts: number[][]][] = [
  [[50, 50], [[40, 40], [5, 5], [5, 5]]],
  [[10, 20, 30], [[8, 16, 24], [1, 2, 3], [1, 2, 3]]],
  [[40, 30, 10, 10, 10], [[32, 24, 8, 8, 8], [4, 3, 1, 1, 1], [4, 3, 1, 1, 1]]],
  [[511, 20], [[409, 16], [51, 2], [51, 2]]],
  [new Array(7).fill(10), [8, 1, 1].map((n) => new Array(7).fill(n))],
  [new Array(20).fill(100), [80, 10, 10].map((n) => new Array(20).fill(n))],
];
for (const [counts, expected] of SHAPES) {
  Deno.test(`loadDataset() cuts classes of ${counts} rows`, async () => {
    using warnings = caughtWarnings();
    const named = Object.fromEntries(counts.map((count, i) => [`class ${i}`, count]));
    const { labels, train, evaluation, test } = await withCsv(
      csv(named),
      (file) => loadDataset(file),
    );
    const found = [train, evaluation, test].map((part) => {
      const numbers = values(part, "label");
      return labels.map((_, label) => numbers.filter((number) => number === label).length);
    });
    assert.deepEqual(found, expected);
    assert.deepEqual(warnings.said, []);
  });
}

Deno.test("loadDataset() names the classes that are too small to be in each part", async () => {
  using warnings = caughtWarnings();
  const counts = { many: 50, two: 2, one: 1 };
  const { labels, ...parts } = await withCsv(csv(counts), (file) => loadDataset(file));
  assert.deepEqual(labels, ["many", "two", "one"]);
  const found = [parts.train, parts.evaluation, parts.test].map((part) =>
    new Set(values(part, "label")).size
  );
  assert.deepEqual(found, [3, 2, 1]);
  const said = warnings.said.join("\n");
  assert.match(
    said,
    /The part evaluation of .* has no row of 1 of the 3 classes: "one" \(1 rows in all\)\. Add/,
  );
  assert.match(said, /The accuracy on the part test .* all rows are of one class, \d of many\./);
});

Deno.test("loadDataset() takes separate files, and cuts off what is missing", async () => {
  await using folder = await temporaryFolder();
  const path = (name: string) => `${folder.path}/${name}.csv`;
  await Deno.writeTextFile(path("train"), csv({ a: 10, b: 20 }));
  await Deno.writeTextFile(path("test"), csv({ b: 3, a: 2 }).replaceAll(" ", " test "));
  const source = { train: path("train"), test: path("test") };
  const { labels, train, evaluation, test } = await loadDataset(source);
  assert.deepEqual(labels, ["a", "b"]);
  assert.deepEqual([train, evaluation, test].map(({ height }) => height), [27, 3, 5]);
  assert.deepEqual(values(test, "label"), [1, 1, 1, 0, 0]);
  const all = await loadDataset({ ...source, evaluation: path("test") });
  assert.deepEqual([all.train, all.evaluation, all.test].map(({ height }) => height), [30, 5, 5]);
  const none = await loadDataset({ train: path("train") }, { testRows: 0 });
  assert.deepEqual([none.train, none.evaluation, none.test].map(({ height }) => height), [
    27,
    3,
    0,
  ]);
  assert.deepEqual(none.test.columns, ["text", "label"]);

  await Deno.writeTextFile(path("test"), csv({ c: 2 }));
  await assert.rejects(
    loadDataset(source),
    /test\.csv as 'label' must be one of a, b, .* row 1 .* is "c"/,
  );
  await Deno.writeTextFile(path("test"), "text\nx\n");
  await assert.rejects(
    loadDataset(source),
    /test\.csv as 'labelColumn' must be one of its columns, 'text'/,
  );
  const mistyped = { ...source, tests: "x" } as DatasetSource;
  await assert.rejects(loadDataset(mistyped), /'tests'\. Did you mean 'test'\?/);
});
