import assert from "node:assert/strict";
import { classMetrics, confusionMatrix, wilsonInterval } from "lightweight-finetuning";
import { assertClose } from "../helpers/close.ts";

const matrix = [[2, 1, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]];

Deno.test("confusionMatrix() counts rows by true and by predicted class", () => {
  assert.deepEqual(confusionMatrix([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 1], 4), matrix);
});

Deno.test("classMetrics() is 0 where a class was never predicted or has no rows", () => {
  assert.deepEqual(classMetrics(matrix, ["World", "Sports", "Business", "Sci/Tech"]), [
    { label: "World", precision: 2 / 3, recall: 2 / 3, f1: 2 / 3, support: 3 },
    { label: "Sports", precision: 1 / 3, recall: 1 / 2, f1: 2 / 5, support: 2 },
    { label: "Business", precision: 0, recall: 0, f1: 0, support: 1 },
    { label: "Sci/Tech", precision: 0, recall: 0, f1: 0, support: 0 },
  ]);
});

Deno.test("wilsonInterval() gives the values of its formula", () => {
  const known: [right: number, count: number, interval: [number, number]][] = [
    [8, 10, [0.490162, 0.943318]],
    [0, 10, [0, 0.277533]],
    [10, 10, [0.722467, 1]],
    [90, 100, [0.825634, 0.944771]],
  ];
  for (const [right, count, interval] of known) {
    assertClose(wilsonInterval(right / count, count), interval, 1e-6, `${right} of ${count}`);
  }
});
