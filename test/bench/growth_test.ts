import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  exponent,
  type Group,
  growthChart,
  markdown,
  type Series,
  time,
  verdict,
} from "../../bench/growth.ts";
import { temporaryFolder } from "../helpers/altered.ts";

const seriesOf = (name: string, secondsOf: (x: number) => number): Series => ({
  name,
  points: [10, 100, 1000].map((x) => ({
    ...{ x, work: x, seconds: secondsOf(x), peakMemory: 1e8 + x },
  })),
});
const group = (...series: Series[]): Group => ({
  ...{ title: "x", axis: "rows", unit: "row", series },
});

Deno.test("exponent() is that of the last decade", () => {
  for (const power of [0.5, 1, 2]) {
    const found = exponent(seriesOf("a", (x) => x === 10 ? 1e6 : x ** power), "seconds");
    assert.ok(Math.abs(found - power) < 1e-12, `${found}`);
  }
  // Of 16 to 512 the decade before the last begins nearest to 64.
  const points = [16, 32, 64, 128, 256, 512].map((x) => ({
    ...{ x, work: x, seconds: x < 64 ? 1e3 : x, peakMemory: x === 512 ? 80 : 10 },
  }));
  assert.equal(exponent({ name: "", points }, "seconds"), 1);
  assert.equal(exponent({ name: "", points }, "peakMemory"), 1);
});

Deno.test("verdict() names what grows faster than its work, in time or in memory", () => {
  const linear = seriesOf("linear", (x) => x);
  const large = {
    name: "large",
    points: linear.points.map((point) => ({ ...point, peakMemory: point.x ** 2 })),
  };
  assert.equal(verdict(group(linear)), "Nothing grew faster than its work.");
  assert.equal(
    verdict(group(linear, seriesOf("square", (x) => x ** 2), large)),
    "Faster than its work grew the time of square (work to the power of 2.00), " +
      "the memory of large (work to the power of 2.00).",
  );
  // The clock's and the compiler's times say nothing.
  assert.equal(verdict(group(seriesOf("short", (x) => x ** 3 / 1e12))), verdict(group(linear)));
});

Deno.test("time() has three digits and a unit that suits them", () => {
  const times = [1234, 12.345, 0.012, 3.4567e-5, 4e-9].map(time);
  assert.deepEqual(times, ["1234 s", "12.3 s", "12 ms", "34.6 µs", "4 ns"]);
});

Deno.test("markdown() aligns numbers to the right", () => {
  const grid = { columns: ["time", "1,000"], cells: [["a", "1 s"]], right: new Set([1]) };
  assert.equal(markdown(grid), "| time | 1,000 |\n| --- | --: |\n| a | 1 s |");
});

Deno.test("growthChart() has each line in a panel of time and one of memory", () => {
  const { data } = growthChart([group(seriesOf("a", (x) => x))], "machine");
  assert.deepEqual(data.map(({ name, xaxis, y }) => [name, xaxis, (y as number[]).length]), [
    ["a", "x", 3],
    ["a", "x2", 3],
  ]);
});

Deno.test("growth.ts runs each stage in a process of its own, and writes tables and a picture", async () => {
  await using folder = await temporaryFolder();
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "bench/growth.ts", "--smoke", "--picture", `${folder.path}/growth.png`],
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    env: { RUNS: folder.path },
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stdout);
  assert.ok(success, new TextDecoder().decode(stderr));
  const { groups } = JSON.parse(await Deno.readTextFile(`${folder.path}/growth-partial.json`));
  for (const { series } of groups as Group[]) {
    for (const { name, points } of series) {
      assert.equal(points.length, 2, name);
      for (const { seconds, work, peakMemory } of points) {
        assert.ok(seconds > 0 && work > 0 && peakMemory > 1e6, name);
      }
    }
  }
  const tables = await Deno.readTextFile(`${folder.path}/growth-partial.md`);
  assert.equal(tables.match(/^\| --- /gm)?.length, 2 * groups.length);
  assert.equal(said.match(/^(Nothing|Faster)/gm)?.length, groups.length);
  assert.deepEqual(
    await Deno.readFile(`${folder.path}/growth.png`),
    await Deno.readFile(`${folder.path}/growth-partial.png`),
  );
});
