import assert from "node:assert/strict";
import {
  addLora,
  disableAdapter,
  enableAdapter,
  mergeAdapter,
  openDevice,
  showTraining,
  type TextModel,
  Trainer,
  type TrainerOptions,
  unmergeAdapter,
} from "lightweight-finetuning";
import { temporaryFolder } from "../helpers/altered.ts";
import { printed } from "../helpers/jupyter.ts";
import { digest, resumable } from "../helpers/resumable.ts";

await openDevice();

const FEW = { maxSteps: 3, saveSteps: 3, warmupSteps: 0 };

/** A notebook's training cell, which may be run again. */
async function cell(model: TextModel, options: TrainerOptions, outputDir: string) {
  const trainer = new Trainer(model, { ...options, ...FEW, outputDir });
  return { trainer, result: await trainer.train() };
}

Deno.test("a training cell run again shows the finished run and changes nothing", async () => {
  await using folder = await temporaryFolder();
  const { model, options } = await resumable("full");
  const first = await cell(model, options, folder.path);
  const weights = digest(model);
  const events: string[] = [];
  const listeners = [({ type }: { type: string }) => void events.push(type)];
  const again = await cell(model, { ...options, listeners }, folder.path);
  assert.deepEqual(again.trainer.history, first.trainer.history);
  assert.equal(again.result.step, first.result.step);
  assert.deepEqual(events, ["begin", "end"]);
  assert.equal(digest(model), weights);
});

Deno.test("a training cell that has finished says so after its checkpoints are removed, and not for another run", async () => {
  await using folder = await temporaryFolder();
  const { model, options } = await resumable("full");
  const first = await cell(model, options, folder.path);
  const weights = digest(model);
  const remove = () => Deno.remove(folder.path, { recursive: true });
  await remove();
  const listeners = [showTraining()];
  const shown = await printed(async () => {
    const again = await cell(model, { ...options, listeners }, folder.path);
    assert.deepEqual(again.result, first.result);
    assert.deepEqual(again.trainer.history, first.trainer.history);
  });
  assert.match(shown, /train_loss/);
  assert.equal(digest(model), weights);
  await assert.rejects(Deno.stat(folder.path)); // nothing is written
  const refused = /trained already, for 3 steps/;
  await assert.rejects(cell(model, { ...options, seed: 1 }, folder.path), refused);
  const rows = {
    ...options.trainDataset,
    labels: Array.from(options.trainDataset.labels).reverse(),
  };
  await assert.rejects(cell(model, { ...options, trainDataset: rows }, folder.path), refused);

  await cell(model, { ...options, resumeFromCheckpoint: false }, ""); // trains further
  await assert.rejects(cell(model, options, folder.path), /trained already, for 6 steps/);
  await Deno.mkdir(folder.path, { recursive: true }); // for its end
});

Deno.test("a model that was loaded from the end of a run is not trained anew once the checkpoints are removed", async () => {
  await using folder = await temporaryFolder();
  const { model, options } = await resumable("full");
  await cell(model, options, folder.path);
  const restarted = (await resumable("full")).model;
  const loaded = await cell(restarted, options, folder.path);
  assert.equal(digest(restarted), digest(model));
  await Deno.remove(folder.path, { recursive: true });
  const again = await cell(restarted, options, folder.path);
  assert.deepEqual(again.trainer.history, loaded.trainer.history);
  assert.equal(digest(restarted), digest(model));
  await Deno.mkdir(folder.path, { recursive: true });
});

Deno.test("a training cell of another rate is refused, and does not train on with old weights", async () => {
  await using folder = await temporaryFolder();
  const { model, options } = await resumable("full");
  await cell(model, options, folder.path);
  const weights = digest(model);
  const changed = { ...options, learningRate: 1e-2 };
  await assert.rejects(
    cell(model, changed, folder.path),
    /learningRate.*load the model again and remove the folder to start over$/,
  );
  await Deno.remove(folder.path, { recursive: true });
  await assert.rejects(
    cell(model, changed, folder.path),
    /^Error: Cannot train from the start as this model has been trained already, for 3 steps: .* Load the model again/,
  );
  assert.equal(digest(model), weights);

  const fresh = await resumable("full");
  const { result } = await cell(fresh.model, changed, folder.path);
  assert.equal(result.step, 3);
});

Deno.test("a trained model may be trained further by a trainer that does not resume", async () => {
  const { model, options } = await resumable("full");
  await cell(model, options, "");
  const { result } = await cell(model, { ...options, resumeFromCheckpoint: false }, "");
  assert.equal(result.step, 3);
});

Deno.test("Trainer refuses a merged or disabled adapter, and trains it when it is neither", async () => {
  const { model: base, options } = await resumable("full");
  const adapter = addLora(base as Parameters<typeof addLora>[0]);
  const train = () => cell(adapter, { ...options, resumeFromCheckpoint: false }, "");
  await train();
  await mergeAdapter(adapter);
  const weights = digest(adapter);
  await assert.rejects(train(), {
    message:
      "Cannot train the adapter as it must be enabled: current value is merged. Call unmergeAdapter first",
  });
  assert.equal(digest(adapter), weights);
  await unmergeAdapter(adapter);
  disableAdapter(adapter);
  await assert.rejects(train(), /'trainable parameters' must be above 0: current value is 0/);
  enableAdapter(adapter);
  assert.equal((await train()).result.step, 3);
});
