import { assertClose } from "../helpers/close.ts";
import { assertGradients, lossAndGradients, PEFT, withoutGradient } from "../helpers/gradients.ts";
import { fixture, KINDS, readExpected, readReference } from "../helpers/reference.ts";
import { assertTrainsAlike, loadWay, readCases, trainOnBatches } from "../helpers/training.ts";

for (const kind of KINDS) {
  for (const way of ["full", "lora"] as const) {
    const load = () => loadWay(way, fixture(kind));
    const fileName = (name: string) => way === "lora" ? PEFT + name : name;

    Deno.test(`every gradient of one ${way} step of ${kind} is PyTorch's`, async () => {
      const reference = await readReference(kind);
      const model = await load();
      const { loss, gradients } = lossAndGradients(model, reference.batch());
      assertClose([loss], reference.numbers(way === "lora" ? "lora.loss" : "loss"), 1e-5);
      assertGradients(gradients, reference.group(`${way}.grad.`));
    });

    Deno.test(`Trainer changes ${kind} in 10 ${way} steps as Transformers' does`, async () => {
      const reference = await readReference(kind);
      const model = await load();
      const before = new Map(
        [...model.parameters].map(([name, x]) => [name, x.dataSync().slice()]),
      );
      const history = await trainOnBatches(model, reference, 10);
      assertClose(history.map(({ loss }) => loss!), reference.numbers(`${way}.losses`), 1e-4);
      assertClose(
        history.map(({ gradNorm }) => gradNorm),
        reference.numbers(`${way}.gradNorms`),
        1e-4,
      );
      assertClose(
        history.map(({ learningRate }) => learningRate),
        reference.numbers(`${way}.learningRates`),
        1e-6,
      );
      const expected = reference.group(`${way}.after10.`);
      for (const [name, variable] of model.parameters) {
        const after = variable.trainable ? expected.get(fileName(name))! : before.get(name)!;
        // Adam scales up what rounding leaves of a gradient that is none.
        const tolerance = !variable.trainable ? 0 : withoutGradient(name) ? 1e-1 : 1e-4;
        assertClose(variable.dataSync<"float32">(), after, tolerance, name);
      }
    });

    Deno.test(`the loss of ${kind} follows PyTorch's for 50 ${way} steps`, async () => {
      const reference = await readReference(kind);
      const history = await trainOnBatches(await load(), reference, 50);
      assertClose(history.map(({ loss }) => loss!), reference.numbers(`${way}.curve.losses`), 1e-4);
    });
  }
}

const folder = fixture("trainer");
const expected = await readExpected(folder);
for (const run of (await readCases(folder)).runs) {
  Deno.test(`Trainer does ${run.name} as Transformers' does`, async () => {
    await assertTrainsAlike(run, expected);
  });
}
