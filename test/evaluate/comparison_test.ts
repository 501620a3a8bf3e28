import assert from "node:assert/strict";
import { calibration, mcnemar } from "lightweight-finetuning";
import comparison from "../fixtures/comparison.json" with { type: "json" };
import { assertClose } from "../helpers/close.ts";

/** Predictions of two models on rows of class 1: [both right, first only, second only, both wrong]. */
function paired(counts: number[]) {
  const rows = (of: number[]) => counts.flatMap((count, i) => Array<number>(count).fill(of[i]!));
  return [rows([1, 1, 1, 1]), rows([1, 1, 0, 0]), rows([1, 0, 1, 0])] as const;
}

Deno.test("mcnemar() is statsmodels' exact test with Newcombe's interval, for any number of pairs", () => {
  assert.equal(comparison.mcnemar.length, 16);
  for (const { counts, pValue, interval } of comparison.mcnemar) {
    const found = mcnemar(...paired(counts));
    const [bothRight, firstOnly, secondOnly, bothWrong] = counts as [
      number,
      number,
      number,
      number,
    ];
    const { pValue: p, difference, low, high, ...counted } = found;
    assert.deepEqual(counted, { bothRight, firstOnly, secondOnly, bothWrong });
    const rows = bothRight + firstOnly + secondOnly + bothWrong;
    assert.equal(difference, (firstOnly - secondOnly) / rows);
    assert.ok(Math.abs(p - pValue) <= 1e-10 * pValue, `${counts}: ${p} is not ${pValue}`);
    assertClose([low, high], interval, 1e-6, `interval of ${counts}`);
    assert.ok(-1 <= low && low <= difference && difference <= high && high <= 1);
  }
  const ps = comparison.mcnemar.map(({ pValue }) => pValue);
  assert.ok(ps.includes(1) && ps.some((p) => p > 0 && p < 1e-300), "both ends are tested");
});

Deno.test("mcnemar() of the models in the other order is the same, with the signs changed", () => {
  const [truth, first, second] = paired([50, 12, 5, 9]);
  const [there, back] = [mcnemar(truth, first, second), mcnemar(truth, second, first)];
  assert.equal(there.pValue, back.pValue);
  assertClose([there.low, there.high], [-back.high, -back.low], 1e-12);
});

Deno.test("mcnemar() refuses what is not a class for each row", () => {
  const refused = (truth: number[], first: number[], second: number[], message: string) =>
    assert.throws(() => mcnemar(truth, first, second), {
      name: "RangeError",
      message: `Cannot compare models as ${message}`,
    });
  refused([], [], [], "'truth' must have at least one row: current value is 0");
  const each = "must have a class for each of the 2 rows: current value is";
  refused([0, 1], [0], [0, 1], `'first' ${each} 1`);
  refused([0, 1], [0, 1], [0, 1, 1], `'second' ${each} 3`);
  const whole = "must be whole numbers from 0 on: current value is";
  refused([0, 1], [0, NaN], [0, 1], `'first' ${whole} NaN in row 1 (the first is 0)`);
  refused([-1, 1], [0, 1], [0, 1], `'truth' ${whole} -1 in row 0 (the first is 0)`);
});

Deno.test("calibration() gives torchmetrics' error and Guo et al.'s bins", () => {
  assert.equal(comparison.calibration.length, 4);
  for (const { options, logits, labels, bins, ece } of comparison.calibration) {
    const found = calibration(logits, labels, options);
    assertClose([found.ece], [ece], 1e-12, "ECE");
    assert.deepEqual(found.bins.map(({ count }) => count), bins.map(([, , count]) => count));
    for (const [i, bin] of found.bins.entries()) {
      const { low, high, count, confidence, accuracy } = bin;
      assertClose([low, high, count, confidence, accuracy], bins[i]!, 1e-12, `bin ${i}`);
    }
    if (options.bins === 15) assert.deepEqual(calibration(logits, labels), found);
  }
});

Deno.test("calibration() takes an evaluation's logits, certain ones and those on a bin's edge too", () => {
  const sure = calibration(new Float32Array([900, 0, -900, 0]), new Int32Array([0, 0]));
  assert.deepEqual(sure, {
    bins: [{ low: 14 / 15, high: 1, count: 2, confidence: 1, accuracy: 0.5 }],
    ece: 0.5,
  });
  const even = calibration([0, 0], [0], { bins: 2 });
  assert.deepEqual(even.bins, [{ low: 0, high: 0.5, count: 1, confidence: 0.5, accuracy: 1 }]);
  const shares = [0.7, 0.2, 0.1];
  assertClose([calibration(shares.map(Math.log), [0]).bins[0]!.confidence], [0.7], 1e-12);
});

Deno.test("calibration() refuses what it cannot count", () => {
  const refused = (logits: number[], truth: number[], bins: number, message: string) =>
    assert.throws(() => calibration(logits, truth, { bins }), {
      name: "RangeError",
      message: `Cannot calibrate as ${message}`,
    });
  refused([1, 0], [0], 0, "'bins' must be a whole number above 0: current value is 0");
  refused([1, 0], [0], 1.5, "'bins' must be a whole number above 0: current value is 1.5");
  const each = "'logits' must have as many numbers for each of the";
  refused([1, 0, 2], [0, 1], 5, `${each} 2 rows: current value is 3 numbers`);
  refused([], [], 5, `${each} 0 rows: current value is 0 numbers`);
  const row = "in row 0 (the first is 0)";
  refused([1, 0], [2], 5, `'truth' must be whole numbers from 0 to 1: current value is 2 ${row}`);
  refused([NaN, 0], [0], 5, `'logits' must be numbers: current value is NaN,0 ${row}`);
  assert.throws(() => calibration([1, 0], [0], { bin: 3 } as object), /'bins'|bins/);
});
