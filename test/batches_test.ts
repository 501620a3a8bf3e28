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

Deno.test("collate() refuses numbers that are not whole or out of their range", () => {
  const assertRefused = (make: () => unknown, what: string, range: string, value: unknown) =>
    assert.throws(make, {
      name: "RangeError",
      message: `Cannot make a batch as ${what} must be a whole number ${range}: current value is ` +
        Deno.inspect(value),
    });
  for (const multiple of [0, -1, 1.5, NaN, Infinity, 65537, 1e9, "2" as unknown as number]) {
    const make = () => collate(rows, [0], 0, multiple);
    assertRefused(make, "'padToMultipleOf'", "from 1 to 65536", multiple);
  }
  for (const id of [-1, 1.5, NaN, 2 ** 31, Infinity, "7" as unknown as number, 7n as never]) {
    assertRefused(() => collate(rows, [0], id), "'padTokenId'", "from 0 to 2147483647", id);
  }
  const length = "the longest row's length";
  assertRefused(() => collate(rows, [], 0), length, "from 1 to 65536", 0);
  const long = { inputIds: [new Int32Array(65537)], labels: [0] };
  assertRefused(() => collate(long, [0], 0), length, "from 1 to 65536", 65537);
});

Deno.test("collate() takes as many rows as there are", () => {
  const count = 200_000; // more than a call's arguments
  const many = { inputIds: Array(count).fill([3]), labels: new Int32Array(count) };
  assert.equal(collate(many, many.inputIds.map((_, row) => row), 0).size, count);
});

Deno.test("batches() refuses a batch size with which it would never end", () => {
  for (const size of [0, -1, NaN, 1.5]) {
    const order = [0, 1];
    assert.throws(() => batches(rows, order, size, 0).next(), {
      name: "RangeError",
      message: "Cannot make a batch as 'batchSize' must be a whole number from 1: current value " +
        `is ${size}`,
    });
  }
  assert.equal([...batches(rows, [0, 1], Infinity, 0)].length, 1);
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
    [[-1], "-1"],
    [[7n], "7n"],
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
