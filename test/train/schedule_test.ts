import assert from "node:assert/strict";
import { linearSchedule } from "lightweight-finetuning";
import { schedules, warmupLength } from "../../lib/train/schedule.ts";
import { assertClose } from "../helpers/close.ts";

const rates = (schedule: typeof linearSchedule, warmup?: number) =>
  [0, 1, 2, 3, 4, 5].map((done) => schedule(8, done, 4, warmup));

Deno.test("linearSchedule() falls in a line to zero and stays there", () => {
  assert.deepEqual(rates(linearSchedule), [8, 6, 4, 2, 0, 0]);
  assert.deepEqual(rates(linearSchedule, 2), [0, 4, 8, 4, 0, 0]);
});

Deno.test("schedules warm up, but for the constant one, and have a rate where all is warm-up", () => {
  assert.deepEqual(rates(schedules.constant, 2), [8, 8, 8, 8, 8, 8]);
  assert.deepEqual(rates(schedules.constant_with_warmup), [8, 8, 8, 8, 8, 8]);
  assert.deepEqual(rates(schedules.constant_with_warmup, 2), [0, 4, 8, 8, 8, 8]);
  assertClose(rates(schedules.cosine, 2), [0, 4, 8, 4, 0, 0], 1e-12);
  for (const schedule of [schedules.linear, schedules.cosine]) {
    assert.deepEqual(rates(schedule, 4), [0, 2, 4, 6, 0, 0]);
  }
});

Deno.test("warmupLength() takes a number below 1 as a share of the steps, rounded up", () => {
  assert.deepEqual([0, 0.25, 0.26, 0.99].map((share) => warmupLength(share, 8)), [0, 2, 3, 8]);
  assert.deepEqual([1, 2.9, 20].map((steps) => warmupLength(steps, 8)), [1, 2, 20]);
});
