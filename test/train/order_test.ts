import assert from "node:assert/strict";
import { collate, openDevice } from "lightweight-finetuning";
import { epochOrder, groupByLength, samplingStrategies } from "../../lib/train/order.ts";
import { fixture, readExpected } from "../helpers/reference.ts";
import { readCases } from "../helpers/training.ts";

await openDevice();
const expected = await readExpected(fixture("trainer"));
const { orders } = await readCases(fixture("trainer"));
const lengths = Array.from({ length: 430 }, (_, row) => 3 + (row * row) % 61);
const order = (strategy: typeof samplingStrategies[number], seed: number, epoch: number) =>
  epochOrder(strategy, lengths, 4, seed, epoch);

for (const [i, batchSize] of orders.entries()) {
  Deno.test(`groupByLength() sorts as Transformers does, case ${i}`, () => {
    const numbers = (name: string) => [...expected.numbers(`order.${i}.${name}`)];
    const grouped = groupByLength(numbers("permutation"), numbers("lengths"), batchSize);
    assert.deepEqual(grouped, numbers("order"));
  });
}

for (const strategy of samplingStrategies) {
  Deno.test(`epochOrder() gives every row once, "${strategy}"`, () => {
    assert.deepEqual(order(strategy, 1, 0).toSorted((a, b) => a - b), [...lengths.keys()]);
  });
}

Deno.test("epochOrder() depends on the seed and the epoch alone", () => {
  for (const strategy of ["random", "group_by_length"] as const) {
    const first = order(strategy, 1, 2);
    assert.deepEqual(order(strategy, 1, 2), first);
    assert.notDeepEqual(order(strategy, 2, 2), first);
    assert.notDeepEqual(order(strategy, 1, 1), first);
  }
  assert.deepEqual(order("sequential", 1, 0), order("sequential", 2, 1));
});

Deno.test('epochOrder() "group_by_length" has the longest row first, and pads less', () => {
  const examples = {
    inputIds: lengths.map((length) => new Int32Array(length).fill(1)),
    labels: lengths,
  };
  const padding = (rows: number[]) => {
    let count = 0;
    for (let start = 0; start < rows.length; start += 4) {
      const { attentionMask } = collate(examples, rows.slice(start, start + 4), 0);
      count += attentionMask.filter((token) => !token).length;
    }
    return count;
  };
  for (const epoch of [0, 1, 2]) {
    const grouped = order("group_by_length", 7, epoch);
    assert.equal(lengths[grouped[0]!], Math.max(...lengths));
    assert.ok(padding(grouped) < padding(order("random", 7, epoch)) / 4);
  }
});

Deno.test("groupByLength() takes stretches of more rows than a call can have arguments", () => {
  const rows = [...Array(200_000).keys()];
  assert.deepEqual(groupByLength(rows, rows, 200_000), rows.toReversed());
});
