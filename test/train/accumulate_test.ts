import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import {
  type Batch,
  batches,
  crossEntropy,
  type HistoryRecord,
  openDevice,
  Trainer,
} from "lightweight-finetuning";
import { port } from "../../lib/device/port.ts";
import { accumulateGradients } from "../../lib/train/accumulate.ts";
import { assertClose } from "../helpers/close.ts";
import { withoutGradient } from "../helpers/gradients.ts";
import { readReference } from "../helpers/reference.ts";
import { examples, first, loadWay } from "../helpers/training.ts";

await openDevice();
const reference = await readReference("bert");
const rows = examples(reference, 3);
const some = (count: number) => first(rows, count);

Deno.test("accumulateGradients() adds gradients of bfloat16 up in float32", async () => {
  const model = await loadWay("full", reference.folder);
  const trained = new Map([...model.parameters].filter(([, { trainable }]) => trainable));
  const lossOf = (batch: Batch) => crossEntropy(model.forward(batch), tf.tensor1d(batch.labels));
  const order = [...some(8).inputIds.keys()];
  // Four, as a fourth of a number has its digits.
  const parts = [...batches(some(8), order, 2, model.config.padTokenId)];
  const of = async (parts: Batch[], weight: number) => {
    const weightOf = () => weight;
    const { gradients } = await accumulateGradients(trained, parts, lossOf, weightOf, true);
    return Object.entries(gradients).map(([name, gradient]) => ({
      name,
      numbers: port().cast(gradient, "float32").dataSync<"float32">(),
    }));
  };
  const all = await of(parts, 1);
  const each = await Promise.all(parts.map((part) => of([part], 1)));
  for (const [i, { name, numbers }] of all.entries()) {
    const expected = numbers.map((_, j) =>
      each.reduce((sum, one) => sum + one[i]!.numbers[j]!, 0) / 4
    );
    if (!withoutGradient(name)) assertClose(numbers, expected, 1e-6, name);
  }
});

for (const way of ["full", "lora"] as const) {
  Deno.test(`accumulateGradients() of any parts is that of the whole, ${way}`, async () => {
    const model = await loadWay(way, reference.folder);
    const trained = new Map([...model.parameters].filter(([, { trainable }]) => trainable));
    const { padTokenId } = model.config;
    const accumulate = async (count: number, size: number) => {
      const order = [...some(count).inputIds.keys()];
      const tensors: number[] = []; // while a batch's loss is computed
      const lossOf = (batch: Batch) => {
        tensors.push(tf.memory().numTensors);
        return crossEntropy(model.forward(batch), tf.tensor1d(batch.labels));
      };
      const gradients = new Map<string, Float32Array>();
      const parts = [...batches(some(count), order, size, padTokenId)];
      const { loss, ...accumulated } = await accumulateGradients(trained, parts, lossOf);
      for (const [name, gradient] of Object.entries(accumulated.gradients)) {
        gradients.set(name, gradient.dataSync<"float32">());
        gradient.dispose();
      }
      return { loss, gradients, tensors };
    };
    for (const count of [5, 12]) {
      const whole = await accumulate(count, count);
      assert.deepEqual([...whole.gradients.keys()], [...trained.keys()]);
      for (const size of [1, 2, 3, 5, 8]) { // of which not all divide the rows
        const { loss, gradients, tensors } = await accumulate(count, size);
        assertClose([loss], [whole.loss], 1e-6);
        assert.equal(new Set(tensors.slice(1)).size, Math.min(1, tensors.length - 1));
        for (const [name, gradient] of gradients) {
          if (!withoutGradient(name)) assertClose(gradient, whole.gradients.get(name)!, 1e-5, name);
        }
      }
    }
  });

  for (const classWeights of [null, [0, 3, 0.5, 0.25]]) {
    Deno.test(`Trainer steps by small batches as by a large one, ${way}${classWeights ? ", weighted" : ""}`, async () => {
      const train = async (perDeviceTrainBatchSize: number, gradientAccumulationSteps: number) => {
        const trainer = new Trainer(await loadWay(way, reference.folder), {
          trainDataset: some(21),
          evalDataset: some(4),
          numTrainEpochs: 2,
          classWeights,
          perDeviceTrainBatchSize,
          gradientAccumulationSteps,
          loggingSteps: 1,
          learningRate: 1e-3,
        });
        await trainer.train();
        return trainer.history;
      };
      const column = (history: HistoryRecord[], name: string) =>
        history.flatMap((record) => record[name] ?? []);
      const whole = await train(8, 1); // 8, 8 and 5 rows
      assert.deepEqual(column(whole, "step"), [1, 2, 3, 4, 5, 6]);
      for (const [size, count] of [[4, 2], [2, 4], [1, 8]] as const) {
        const history = await train(size, count);
        assert.deepEqual(column(history, "step"), column(whole, "step"));
        for (const name of ["loss", "gradNorm", "learningRate", "evalLoss"]) {
          assertClose(column(history, name), column(whole, name), 1e-4, `${name} by ${size}`);
        }
        const perEpoch = Math.ceil(21 / size);
        const epochs = [1, 2].map((step) => step * count / perEpoch);
        assertClose(
          column(history, "epoch"),
          [...epochs, 1, ...epochs.map((epoch) => 1 + epoch), 2],
          1e-12,
        );
      }
    });
  }
}
