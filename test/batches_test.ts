import assert from "node:assert/strict";
import { batches, byLength, collate, type Examples } from "lightweight-finetuning";

const rows: Examples = { inputIds: [[5, 6], [7], [8, 9, 4], [3, 2, 1]], labels: [1, 0, 2, 1] };

Deno.test("collate() pads the chosen rows to the longest among them", () => {
  assert.deepEqual(collate(rows, [1, 0], 99), {
    inputIds: Int32Array.of(7, 99, 5, 6),
    attentionMask: Int32Array.of(1, 0, 1, 1),
    labels: Int32Array.of(0, 1),
    rows: [1, 0],
    size: 2,
    length: 2,
  });
});

Deno.test("collate() pads on to a multiple", () => {
  const lengths = [1, 2, 3, 4].map((multiple) => collate(rows, [0, 2], 99, multiple).length);
  assert.deepEqual(lengths, [3, 4, 3, 4]);
  const { inputIds, attentionMask } = collate(rows, [0, 2], 99, 4);
  assert.deepEqual(inputIds, Int32Array.of(5, 6, 99, 99, 8, 9, 4, 99));
  assert.deepEqual(attentionMask, Int32Array.of(1, 1, 0, 0, 1, 1, 1, 0));
});

Deno.test("collate() refuses a row that has no ids or no label", () => {
  const assertRefused = (examples: Examples, row: number, count: number) =>
    assert.throws(() => collate(examples, [0, row], 0), {
      name: "RangeError",
      message: `Cannot make a batch as 'row' must be below ${count}: current value is ${row}`,
    });
  assertRefused(rows, 4, 4);
  assertRefused(rows, -1, 4);
  assertRefused({ ...rows, labels: [1, 0] }, 2, 2);
});

Deno.test("batches() cuts the order into batches, the last one smaller", () => {
  const cut = [...batches(rows, [2, 0, 1], 2, 0)];
  assert.deepEqual(cut.map((batch) => [batch.rows, batch.length]), [[[2, 0], 3], [[1], 1]]);
  assert.deepEqual([...batches(rows, [2, 0, 1], 2, 0, 2)].map(({ length }) => length), [4, 2]);
});

Deno.test("collate() refuses a label that is not a whole number, as an Int32Array would cut it", () => {
  for (const label of [1.5, NaN, "1"]) {
    assert.throws(() => collate({ ...rows, labels: [0, label as number, 0, 0] }, [0, 1], 0), {
      name: "RangeError",
      message: "Cannot make a batch as a label must be a whole number: current value in row 1 " +
        `(the first is 0) is ${Deno.inspect(label)}`,
    });
  }
});

Deno.test("collate() refuses a row of no ids, and ids that an Int32Array would change", () => {
  const wrong: [ids: unknown[], says: string][] = [
    [[], "no id"],
    [[5, 1.5], "1.5"],
    [[NaN], "NaN"],
    [[2 ** 31], "2147483648"],
    [["5"], '"5"'],
    [[5, null], "null"],
  ];
  for (const [ids, says] of wrong) {
    const inputIds = [[5], ids as number[]];
    assert.throws(() => collate({ inputIds, labels: [0, 0] }, [0, 1], 0), {
      name: "RangeError",
      message: "Cannot make a batch as a row must have ids that are whole numbers, at least one: " +
        `current value in row 1 (the first is 0) is ${says}`,
    });
  }
});

Deno.test("byLength() gives the longest row first, and equal ones in their order", () => {
  assert.deepEqual(byLength(rows), [2, 3, 0, 1]);
});
