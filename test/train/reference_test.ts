import { equal } from "node:assert/strict";
import { assertClose } from "../close.ts";
import { lossAndGradients } from "../fixtures/gradients.ts";
import { KINDS, readReference, type Reference } from "../fixtures/reference.ts";
import {
  type Examples,
  loadAdapter,
  loadClassifier,
  type TextModel,
  Trainer,
} from "lightweight-finetuning";

const PEFT = "base_model.model.";

// Softmax ignores a shift of all scores, so a key bias has no gradient, and Adam scales up what rounding leaves.
const withoutGradient = (name: string) => name.endsWith("attention.self.key.bias");

const models = {
  full: ({ folder }: Reference) => loadClassifier(folder, { dropout: 0 }),
  lora: async ({ folder }: Reference) => {
    const model = await loadClassifier(folder, { dropout: 0 });
    return await loadAdapter(model, `${folder}/adapter`);
  },
};

/** The stored batches as rows without padding: Trainer pads them again. */
function examples(reference: Reference, count: number): Examples {
  const inputIds: number[][] = [];
  const labels: number[] = [];
  for (let i = 0; i < count; i++) {
    const { inputIds: ids, attentionMask, labels: classes, size, length } = reference.batch(
      `batch.${i}.`,
    );
    for (let row = 0; row < size; row++) {
      const tokens = attentionMask.subarray(row * length, (row + 1) * length).reduce((a, b) => a + b);
      inputIds.push([...ids.subarray(row * length, row * length + tokens)]);
      labels.push(classes[row]!);
    }
  }
  return { inputIds, labels };
}

/** Trains on the stored batches as the reference did, and gives what Trainer recorded at each step. */
async function train(model: TextModel, reference: Reference, steps: number) {
  const rows = examples(reference, steps);
  const trainer = new Trainer(model, {
    train: rows,
    evaluation: { inputIds: rows.inputIds.slice(0, 8), labels: rows.labels },
    learningRate: 1e-3,
    numTrainEpochs: 1,
    evalSteps: steps,
    loggingSteps: 1,
    trainSamplingStrategy: "sequential",
  });
  await trainer.train();
  return trainer.history;
}

for (const kind of KINDS) {
  for (const [way, load] of Object.entries(models)) {
    const fileName = (name: string) => way === "lora" ? PEFT + name : name;

    Deno.test(`every gradient of one ${way} step of ${kind} is PyTorch's`, async () => {
      const reference = await readReference(kind);
      const model = await load(reference);
      const { loss, gradients } = lossAndGradients(model, reference.batch());
      assertClose([loss], reference.numbers(way === "lora" ? "lora.loss" : "loss"), 1e-5);
      const expected = reference.group(`${way}.grad.`);
      equal(gradients.size, expected.size);
      for (const [name, gradient] of gradients) {
        const reference = expected.get(fileName(name))!;
        if (withoutGradient(name)) assertClose(gradient.map((x) => x + 1), reference.map(() => 1), 1e-5);
        else assertClose(gradient, reference, 1e-4, name);
      }
    });

    Deno.test(`Trainer changes ${kind} in 10 ${way} steps as Transformers' does`, async () => {
      const reference = await readReference(kind);
      const model = await load(reference);
      const before = new Map([...model.parameters].map(([name, x]) => [name, x.dataSync().slice()]));
      const history = await train(model, reference, 10);
      assertClose(history.map(({ loss }) => loss!), reference.numbers(`${way}.losses`), 1e-4);
      assertClose(history.map(({ gradNorm }) => gradNorm), reference.numbers(`${way}.gradNorms`), 1e-4);
      assertClose(
        history.map(({ learningRate }) => learningRate),
        reference.numbers(`${way}.learningRates`),
        1e-6,
      );
      const expected = reference.group(`${way}.after10.`);
      for (const [name, variable] of model.parameters) {
        const after = variable.trainable ? expected.get(fileName(name))! : before.get(name)!;
        const tolerance = !variable.trainable ? 0 : withoutGradient(name) ? 1e-1 : 1e-4;
        assertClose(variable.dataSync<"float32">(), after, tolerance, name);
      }
    });

    Deno.test(`the loss of ${kind} follows PyTorch's for 50 ${way} steps`, async () => {
      const reference = await readReference(kind);
      const history = await train(await load(reference), reference, 50);
      assertClose(history.map(({ loss }) => loss!), reference.numbers(`${way}.curve.losses`), 1e-4);
    });
  }
}
