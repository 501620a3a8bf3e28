import assert from "node:assert/strict";
import { lines, SIZES, tasks } from "../../bench/lines.ts";
import { median, reached, summarise, table } from "../../bench/summary.ts";

const line = { what: "x", unit: "samples/s", ours: ["a", "ours", "rate"], other: [] } as const;
const make = (unit: "samples/s" | "s" | "MB", target?: { atLeast: number } | { atMost: number }) =>
  summarise(
    { ...line, unit, ours: [...line.ours], other: [], ...(target && { target }) },
    [[10, 5], [30, 10], [20, 20]],
    "machine",
  );

Deno.test("median() is the middle value, or the mean of the two in the middle", () => {
  assert.equal(median([10, 9, 100]), 10);
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

Deno.test("summarise() divides our median by the other's, of times the other way round", () => {
  assert.deepEqual(make("samples/s"), {
    what: "x",
    unit: "samples/s",
    rounds: 3,
    machine: "machine",
    ours: 20,
    python: 10,
    ratio: 2,
    range: [1, 3],
  });
  const { ratio, range } = make("s");
  assert.deepEqual([ratio, range], [0.5, [1 / 3, 1]]);
});

Deno.test("summarise() says why a line has no numbers", () => {
  const result = summarise({ ...line, ours: [...line.ours], other: [] }, [], "machine", "no rows");
  assert.deepEqual(result, {
    what: "x",
    unit: "samples/s",
    rounds: 0,
    machine: "machine",
    ours: null,
    python: null,
    ratio: null,
    skipped: "no rows",
  });
  assert.equal(reached({ ...result, target: { atMost: 1 } }), undefined);
  assert.match(table([result], "machine"), /^machine\n.*\nx +– +– +samples\/s +– +no rows +0$/);
});

Deno.test("reached() holds a ratio against a target from below or from above", () => {
  assert.equal(reached(make("samples/s")), undefined);
  assert.equal(reached(make("samples/s", { atLeast: 2 })), true);
  assert.equal(reached(make("samples/s", { atLeast: 2.1 })), false);
  assert.equal(reached(make("MB", { atMost: 2 })), true);
  assert.equal(reached(make("MB", { atMost: 1 })), false);
});

Deno.test("lines() name tasks that there are, each line another comparison", () => {
  const all = lines(SIZES.whole);
  const keys = Object.keys(tasks(SIZES.whole));
  const used = all.flatMap(({ ours, other }) => [ours, ...other].map(([key]) => key));
  assert.deepEqual([...new Set(used)].sort(), keys.sort());
  assert.equal(new Set(all.map(({ what, unit }) => what + unit)).size, all.length);
});
