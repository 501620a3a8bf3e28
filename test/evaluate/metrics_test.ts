import assert from "node:assert/strict";
import {
  averageMetrics,
  classMetrics,
  confusionMatrix,
  wilsonInterval,
} from "lightweight-finetuning";
import imbalance from "../fixtures/imbalance.json" with { type: "json" };
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

Deno.test("confusionMatrix() refuses a class outside the matrix, and a row without a prediction", () => {
  const wrong: [labels: number[], predictions: number[]][] = [
    [[0, 2], [0, 1]],
    [[0, -1], [0, 1]],
    [[0, 1], [0, 2]],
    [[0, 1], [0, NaN]],
    [[0, 1], [0]],
  ];
  for (const [labels, predictions] of wrong) {
    assert.throws(() => confusionMatrix(labels, predictions, 2), {
      name: "RangeError",
      message:
        "Cannot count row 1 (the first is 0) as its classes must be whole numbers from 0 to " +
        `1: current value is ${labels[1]}, predicted as ${predictions[1]}`,
    });
  }
});

Deno.test("averageMetrics() are scikit-learn's, also where classes have no rows or are never predicted", () => {
  assert.equal(imbalance.metrics.length, 8);
  for (const [i, { classes, labels, predictions, ...expected }] of imbalance.metrics.entries()) {
    const { majorityShare, ...averages } = averageMetrics(labels, predictions, classes);
    const names = Object.keys(expected) as (keyof typeof expected)[];
    assert.deepEqual(Object.keys(averages), names);
    for (const name of names) {
      assertClose([averages[name]], [expected[name]], 1e-12, `${name} of case ${i}`);
    }
    const most = Math.max(...labels.map((one) => labels.filter((label) => label === one).length));
    assert.equal(majorityShare, most / labels.length);
  }
});

Deno.test("averageMetrics() refuses no rows, and what confusionMatrix() refuses", () => {
  assert.throws(() => averageMetrics([], [], 2), {
    name: "RangeError",
    message: "Cannot average metrics as there must be at least one row: current value is 0",
  });
  assert.throws(() => averageMetrics([0, 2], [0, 1], 2), /^RangeError: Cannot count row 1 /);
});

Deno.test("wilsonInterval() gives SciPy's values, exactly 0 and 1 at the ends", () => {
  // scipy.stats.binomtest(right, count).proportion_ci(method="wilson") of SciPy 1.17.1
  const known: [right: number, count: number, interval: [number, number]][] = [
    [8, 10, [0.4901624715, 0.9433178485]],
    [90, 100, [0.8256343385, 0.9447708629]],
    [1, 3, [0.0614919447, 0.7923403992]],
    [3799, 3800, [0.9985107818, 0.9999535447]],
    [0, 7, [0, 0.3543304351]],
    [7, 7, [0.6456695649, 1]],
  ];
  for (const [right, count, interval] of known) {
    assertClose(wilsonInterval(right / count, count), interval, 1e-7, `${right} of ${count}`);
  }
  for (let count = 1; count < 200; count++) {
    assert.equal(wilsonInterval(0, count)[0], 0);
    assert.equal(wilsonInterval(1, count)[1], 1);
  }
});

Deno.test("wilsonInterval() refuses what is no share and no count", () => {
  for (const [share, count] of [[NaN, 7], [-0.1, 7], [1.1, 7], [0.5, 0], [0.5, NaN]] as const) {
    assert.throws(() => wilsonInterval(share, count), {
      name: "RangeError",
      message: "Cannot give an interval as a share from 0 to 1 and a count above 0 are needed: " +
        `current value is ${share} of ${count}`,
    });
  }
});
