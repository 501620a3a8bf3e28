import { equal, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import pl from "nodejs-polars";

const path = fileURLToPath(new URL("../../data/headlines.csv", import.meta.url));
const frame = pl.readCSV(path);
const texts = frame.getColumn("text").toArray() as string[];
const words = texts.map((text) => new Set(text.toLowerCase().match(/[a-z0-9']+/g)));

Deno.test("headlines.csv holds 160 items of each class", () => {
  const count: Record<string, number> = {};
  for (const label of frame.getColumn("label").toArray() as string[]) {
    count[label] = (count[label] ?? 0) + 1;
  }
  equal(
    JSON.stringify(Object.entries(count).sort()),
    JSON.stringify([
      ["Business", 160],
      ["Sci/Tech", 160],
      ["Sports", 160],
      ["World", 160],
    ]),
  );
});

Deno.test("headlines.csv has no two items alike", () => {
  let most = { share: 0, pair: "" };
  words.forEach((a, i) =>
    words.slice(i + 1).forEach((b, j) => {
      const shared = a.intersection(b).size;
      const share = shared / (a.size + b.size - shared); // Jaccard
      if (share > most.share) most = { share, pair: `${texts[i]}\n${texts[i + 1 + j]}` };
    })
  );
  ok(most.share < 0.25, `${most.share} of the words are shared by\n${most.pair}`);
});

Deno.test("headlines.csv does not give a class away by its name", () => {
  const names = texts.filter((text) => /\b(world|sports|business|sci\/tech)\b/i.test(text));
  equal(names.length / texts.length < 0.02, true, names.join("\n"));
});
