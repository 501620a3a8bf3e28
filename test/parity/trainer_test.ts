/**
 * The live comparison with Transformers' Trainer and its options: `make parity`.
 *
 * @module
 */
import { openDevice } from "lightweight-finetuning";
import { assertClose } from "../helpers/close.ts";
import { readExpected } from "../helpers/reference.ts";
import { assertTrainsAlike, readCases } from "../helpers/training.ts";
import { parity, python, report } from "../helpers/live.ts";

await openDevice();

parity("Trainer's options do what they do in Transformers", async (folder) => {
  await python("../fixtures/trainer.py", folder);
  const expected = await readExpected(folder);
  const { runs, unmendedLoss } = await readCases(folder);
  for (const run of runs) {
    report(`${run.name}, parameters`, await assertTrainsAlike(run, expected));
  }
  // Where the two differ: Trainer adds up the losses of a step's three batches.
  const [mean] = expected.numbers("accumulation.bert.full.loss");
  assertClose([unmendedLoss], [3 * mean!], 1e-6, "loss of accumulated batches");
});
