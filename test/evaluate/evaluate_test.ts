import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import {
  averageMetrics,
  type Batch,
  collate,
  evaluate,
  loadClassifier,
  openDevice,
  Trainer,
} from "lightweight-finetuning";
import { assertClose } from "../helpers/close.ts";
import { readReference } from "../helpers/reference.ts";
import { examples } from "../helpers/training.ts";

await openDevice();
const reference = await readReference("bert");
const model = await loadClassifier(reference.folder); // its dropout is 0.1
const rows = examples(reference, 3);

Deno.test("evaluate() gives each row the logits that it has alone, in any size of batch", async () => {
  const alone = rows.inputIds.map((_, row) => [
    ...model.forward(collate(rows, [row], model.config.padTokenId)).dataSync<"float32">(),
  ]);
  const best = alone.map((scores) => scores.indexOf(Math.max(...scores)));
  const right = best.filter((label, row) => label === rows.labels[row]).length;
  for (const [batchSize, padToMultipleOf] of [[1, 1], [5, 8], [32, 1]] as const) {
    const options = { batchSize, padToMultipleOf };
    const { logits, predictions, accuracy, ...rest } = await evaluate(model, rows, options);
    assertClose(logits, alone.flat(), 1e-5, `logits in batches of ${batchSize}`);
    assert.deepEqual([...predictions], best);
    assert.equal(accuracy, right / 24);
    const { loss: _loss, samplesPerSecond: _speed, ...averages } = rest;
    assert.deepEqual(averages, averageMetrics(rows.labels, best, 4));
  }
});

Deno.test("evaluate() gives the loss as the mean over rows, not over batches", async () => {
  const forward = ({ size }: { size: number }) =>
    tf.tidy(() => tf.tile([[0, Math.log(3)]], [size, 1]));
  const constant = { ...model, forward: forward as typeof model.forward };
  const three = { inputIds: [[2], [2], [2]], labels: [1, 1, 0] };
  const { loss, accuracy } = await evaluate(constant, three, { batchSize: 2 });
  assertClose([loss], [(2 * Math.log(4 / 3) + Math.log(4)) / 3], 1e-6);
  assert.equal(accuracy, 2 / 3);
});

Deno.test("evaluate() tells of each batch, and keeps no tensor", async () => {
  const heard: number[][] = [];
  const before = tf.memory().numTensors;
  await evaluate(model, rows, {
    batchSize: 10,
    onBatch: (batch, count) => {
      heard.push([batch, count, tf.memory().numTensors - before]);
    },
  });
  assert.deepEqual(heard, [[1, 3, 0], [2, 3, 0], [3, 3, 0]]);
});

/** Rows that can be neither trained nor evaluated on by a model of four classes, and what the error says. */
const WRONG_ROWS: [labels: unknown[], says: string][] = [
  [[], "at least one row: current value is 0"],
  [[0, 1], "a label for each row: current value is 2 labels for 3 rows"],
  ...[99, 4, -1, -100, NaN, 1.5, 1n, "1", null].map((label): [unknown[], string] => [
    [0, 3, label],
    "labels that are whole numbers from 0 to 3: current value in row 2 (the first is 0) is " +
    `${
      Deno.inspect(label)
    }. Correct or remove that row, or load the model with as many labels as ` +
    "the data have",
  ]),
];

Deno.test("Trainer and evaluate() refuse rows without a class of the model's, and say which", async () => {
  const before = tf.memory().numTensors;
  for (const [labels, says] of WRONG_ROWS) {
    const inputIds = labels.length ? [[2], [2], [2]] : [];
    const wrong = { inputIds, labels: labels as number[] };
    const refusal = (task: string, name: string) => ({
      name: "RangeError",
      message: `Cannot ${task} as '${name}' must have ${says}`,
    });
    await assert.rejects(evaluate(model, wrong), refusal("evaluate", "examples"));
    for (const name of ["trainDataset", "evalDataset"]) {
      const options = { trainDataset: rows, evalDataset: rows, [name]: wrong };
      assert.throws(() => new Trainer(model, options), refusal("train", name));
    }
  }
  assert.equal(tf.memory().numTensors, before);
});

Deno.test("evaluate() refuses a batch size that is not a whole number above 0", async () => {
  for (const batchSize of [0, -1, 1.5, NaN, Infinity]) {
    await assert.rejects(evaluate(model, rows, { batchSize }), {
      name: "RangeError",
      message: "Cannot evaluate as 'batchSize' must be a whole number above 0: current value is " +
        batchSize,
    });
  }
});

Deno.test("evaluate() names the rows whose logits are no numbers, and keeps no tensor", async () => {
  const forward = ({ size, rows }: Batch) =>
    tf.tensor2d(rows.flatMap((row) => [row, [NaN, -Infinity, 1][row % 3]!]), [size, 2]);
  const before = tf.memory().numTensors;
  await assert.rejects(evaluate({ ...model, forward }, rows, { batchSize: 24 }), {
    name: "Error",
    message: "Cannot evaluate as logits must be finite numbers: those of rows " +
      "0, 1, 3, 4, 6, 7, 9, 10, 12, 13, 15, 16, 18, 19, 21, 22 are not. " +
      "Does a weight of the model hold NaN or Infinity?",
  });
  assert.equal(tf.memory().numTensors, before);
});
