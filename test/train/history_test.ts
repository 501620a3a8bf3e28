import assert from "node:assert/strict";
import { type HistoryRecord, openDevice, readHistory, writeHistory } from "lightweight-finetuning";
import { temporaryFolder } from "../helpers/altered.ts";
import { crash, resumableTrainer } from "../helpers/resumable.ts";

await openDevice();

Deno.test("writeHistory() keeps a file of all records so far, which readHistory() reads", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/run/history.json`;
  const listen = writeHistory(path);
  const records: HistoryRecord[] = [
    { step: 1, epoch: 0.5, learningRate: 1e-5, gradNorm: 2.5, loss: 1.25 },
    { step: 2, epoch: 1, learningRate: 5e-6, gradNorm: 2, evalLoss: 1, accuracy: 0.75 },
  ];
  await listen({ type: "begin", totalSteps: 2, epochs: 1 });
  assert.deepEqual(await readHistory(path), []);
  for (const [i, record] of records.entries()) {
    await listen({ type: "record", record });
    assert.deepEqual(await readHistory(path), records.slice(0, i + 1));
  }
  const files = await Array.fromAsync(Deno.readDir(`${folder.path}/run`), ({ name }) => name);
  assert.deepEqual(files, ["history.json"]);
});

Deno.test("writeHistory() keeps the old file when it cannot write", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/history.json`;
  const listen = writeHistory(path);
  const record: HistoryRecord = { step: 1, epoch: 1, learningRate: 1, gradNorm: 1 };
  await listen({ type: "record", record });
  await Deno.symlink("/dev/full", `${path}.partial`); // the disk is full
  await assert.rejects(async () => await listen({ type: "record", record }), {
    message: `Cannot write ${path}: No space left on device (os error 28). ` +
      "Make room there and call resume(): nothing is lost",
  });
  assert.deepEqual(await readHistory(path), [record]);
});

Deno.test("writeHistory() writes a long history when it has grown by a hundredth, and at the end", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/history.json`;
  const record = (i: number) => ({ step: i + 1, epoch: 1, learningRate: 1, gradNorm: 1 });
  const records = Array.from({ length: 1000 }, (_, i) => record(i));
  const listen = writeHistory(path);
  await listen({ type: "begin", totalSteps: 1000, epochs: 1 });
  let [writes, before] = [0, 0];
  for (const [i, record] of records.entries()) {
    await listen({ type: "record", record });
    const { length } = await readHistory(path);
    if (length > before) writes++;
    before = length;
    assert.ok(i + 1 - length < Math.max(1, (i + 1) / 100), `${length} of ${i + 1}`);
  }
  assert.ok(writes < records.length / 2, `${writes} writes`);
  const figures = { trainRuntime: 1, trainSamplesPerSecond: 1, trainStepsPerSecond: 1 };
  const result = { ...figures, totalFlos: 1, trainLoss: 1, epoch: 1, step: 1000, stopped: true };
  await listen({ type: "end", result });
  assert.deepEqual(await readHistory(path), records);
});

Deno.test("writeHistory() takes a bare file name", async () => {
  await using folder = await temporaryFolder();
  const before = Deno.cwd();
  Deno.chdir(folder.path);
  try {
    await writeHistory("history.json")({ type: "begin", totalSteps: 2, epochs: 1 });
  } finally {
    Deno.chdir(before);
  }
  assert.deepEqual(await readHistory(`${folder.path}/history.json`), []);
});

Deno.test("writeHistory() keeps the records of a run that a new trainer goes on with", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/history.json`;
  await crash(folder.path, 16, { listeners: [writeHistory(path)] });
  const steps = async () => (await readHistory(path)).map(({ step }) => step);
  assert.deepEqual(await steps(), [3, 6, 7, 9, 12, 14, 15]);
  const { trainer } = await resumableTrainer(folder.path, { listeners: [writeHistory(path)] });
  await trainer.train();
  assert.deepEqual(await steps(), [3, 6, 7, 9, 12, 14, 15, 18, 21, 24, 25]);
  assert.deepEqual(await readHistory(path), trainer.history);
});
