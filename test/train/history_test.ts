import assert from "node:assert/strict";
import { type HistoryRecord, readHistory, writeHistory } from "lightweight-finetuning";
import { temporaryFolder } from "../fixtures/altered.ts";

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
  await listen({ type: "begin", totalSteps: 2, epochs: 1 }); // resume()
  assert.deepEqual(await readHistory(path), records);
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
  await assert.rejects(async () => await listen({ type: "record", record }), /No space left/);
  assert.deepEqual(await readHistory(path), [record]);
});
