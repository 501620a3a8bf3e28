import assert from "node:assert/strict";
import type { TrainingNumbers } from "course";
import { loadClassifier, openDevice } from "lightweight-finetuning";
import { estimate } from "../../notebooks/estimate.ts";
import { fixture } from "../helpers/reference.ts";

await openDevice();

Deno.test("estimate() goes by the padded tokens of the run's own steps, and counts evaluations", async () => {
  const lengths = [2, 4, 3, 8, 6, 6, 5, 1, 6, 2, 4, 7];
  const rows = {
    inputIds: lengths.map((length) => new Int32Array(length).fill(5)),
    labels: lengths.map((_, i) => i % 2),
  };
  const numbers: TrainingNumbers = {
    ...{ perDeviceTrainBatchSize: 2, perDeviceEvalBatchSize: 3, numTrainEpochs: 2, evalSteps: 0.5 },
    trainSamplingStrategy: "sequential",
    evalOnStart: true,
  };
  const { seconds, evaluations, upTo } = await estimate(
    await loadClassifier(fixture("bert")),
    numbers,
    rows,
    rows,
  );
  assert.equal(upTo(0), 0);
  const tokens = [4, 8, 6, 5, 6, 7].map((longest) => 2 * longest);
  for (const [step] of tokens.entries()) {
    const sum = tokens.slice(0, step).reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(upTo(step) / upTo(1) * tokens[0]! - sum) < 1e-6, `step ${step}`);
  }
  assert.ok(Math.abs(upTo(12) / upTo(6) - 2) < 1e-9);
  assert.equal(evaluations, 3);
  assert.ok(seconds > upTo(12));
});

Deno.test("estimate() takes fewer rows than a batch, and an epoch whose last step is short", async () => {
  for (const count of [1, 3, 5]) {
    const rows = {
      inputIds: Array.from({ length: count }, (_, i) => new Int32Array(2 + i).fill(5)),
      labels: Array.from({ length: count }, (_, i) => i % 2),
    };
    const numbers: TrainingNumbers = { perDeviceTrainBatchSize: 4, numTrainEpochs: 2 };
    const model = await loadClassifier(fixture("bert"));
    const { seconds } = await estimate(model, numbers, rows, rows);
    assert.ok(seconds > 0 && seconds < Infinity, `${count} rows: ${seconds}`);
  }
});
