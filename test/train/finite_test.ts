import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import {
  loadClassifier,
  openDevice,
  type TextModel,
  Trainer,
  type TrainerEvent,
  type TrainerOptions,
} from "lightweight-finetuning";
import { largestOf } from "../../lib/train/finite.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { fixture, readReference } from "../helpers/reference.ts";
import { namesIn } from "../helpers/resumable.ts";
import { examples, first } from "../helpers/training.ts";

await openDevice();
const { inputIds, labels } = examples(await readReference("bert"), 2);
const ten = first({ inputIds, labels }, 10);

const values = ({ parameters }: TextModel) =>
  [...parameters].map(([name, variable]) => [name, variable.dataSync().slice()]);

function setBias(model: TextModel, numbers: number[]) {
  tf.tidy(() => model.parameters.get("classifier.bias")!.assign(tf.tensor1d(numbers)));
}

/** Spoils a weight after the second step. */
async function spoilt(options: Partial<TrainerOptions>, numbers: number[]) {
  const model = await loadClassifier(fixture("bert"));
  const state = { model, after: undefined as unknown, tensors: tf.memory().numTensors };
  const spoil = (event: TrainerEvent) => {
    if (event.type !== "step" || event.step !== 2) return;
    setBias(model, numbers);
    state.after = values(model);
  };
  const trainer = new Trainer(model, {
    trainDataset: ten,
    evalDataset: ten,
    learningRate: 1e-3,
    perDeviceTrainBatchSize: 2,
    gradientAccumulationSteps: 2,
    trainSamplingStrategy: "sequential",
    listeners: [spoil],
    ...options,
  });
  return { ...state, state, trainer };
}

Deno.test("Trainer stops at a loss that is not a number, and changes no weight", async () => {
  const { model, trainer, state, tensors } = await spoilt({}, [0, NaN, 0, 0]);
  await assert.rejects(trainer.train(), {
    message: "Cannot continue training as the loss must be finite: at step 3 it is NaN, the " +
      "gradients' norm NaN, on rows 8, 9; the largest gradient is that of " +
      "'bert.embeddings.LayerNorm.bias', of norm NaN. Try a lower learningRate",
  });
  assert.deepEqual(values(model), state.after);
  assert.equal(tf.memory().numTensors, tensors); // the moments are freed
  await assert.rejects(trainer.resume(), {
    message: "Cannot resume as the optimizer's moments have been freed, after 2 of 9 steps. Load " +
      "the model again and create a new Trainer",
  });
});

Deno.test("Trainer keeps the last good checkpoint where the loss runs away, and says the way back", async () => {
  await using folder = await temporaryFolder();
  const options = { outputDir: folder.path, saveSteps: 1 };
  // A weight that is not finite is kept in no checkpoint.
  const first = await spoilt(options, [0, Infinity, 0, 0]);
  const wayBack = `The last checkpoint is ${folder.path}/checkpoint-1: resume from it in a new ` +
    "Trainer with a lower learningRate, resumeFromCheckpoint: true and acceptChanges: " +
    "['learningRate']; remove it first if it is too late, to resume from the one before";
  await assert.rejects(first.trainer.train(), {
    message: "Cannot save step 2 as weights must be finite: the norm of 'classifier.bias' is " +
      `Infinity. ${wayBack}`,
  });
  await assert.rejects(first.trainer.resume(), /^Error: Cannot save step 2/);
  assert.deepEqual(await namesIn(folder.path), ["checkpoint-1"]);

  const again = await spoilt({
    ...options,
    learningRate: 1e-4,
    resumeFromCheckpoint: true,
    acceptChanges: ["learningRate"],
    listeners: [],
  }, []);
  const { step } = await again.trainer.train();
  assert.equal(step, 9);
});

Deno.test("largestOf() finds the largest norm, and takes what is not a number for larger", async () => {
  const norms = (tensors: number[][]) =>
    largestOf(Object.fromEntries(tensors.map((x, i) => [`${i}`, tf.tensor1d(x)])));
  assert.deepEqual(await norms([[1, 2], [3, -4], [0]]), { name: "1", norm: 5 });
  assert.deepEqual(await norms([[1], [Infinity], [2]]), { name: "1", norm: Infinity });
  assert.deepEqual(await norms([[Infinity], [1, NaN], [NaN]]), { name: "1", norm: NaN });
  assert.deepEqual(await norms([[0], [0]]), { name: "0", norm: 0 });
});
