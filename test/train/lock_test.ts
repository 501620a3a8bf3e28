import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openDevice } from "lightweight-finetuning";
import { temporaryFolder } from "../helpers/altered.ts";
import { namesIn, outcome, resumableTrainer } from "../helpers/resumable.ts";

await openDevice();

const script = fileURLToPath(new URL("../helpers/resumable.ts", import.meta.url));

/** Trains in another process, until it is killed. */
function trainElsewhere(folder: string) {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script, "full", folder, JSON.stringify({ maxSteps: 100_000 })],
    stdout: "piped",
    stderr: "null",
  }).spawn();
}

const refusal = (folder: string, holder: string) => ({
  message: new RegExp(
    `^Cannot write to ${folder} as ${holder}, since \\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z, does. Wait until ` +
      "it has ended, or choose another folder$",
  ),
});

Deno.test("two processes do not train in one folder, and a killed one leaves it free", async () => {
  await using folder = await temporaryFolder();
  const checkpoints = `${folder.path}/checkpoints`;
  const child = trainElsewhere(folder.path);
  try {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      if (text.includes("step")) break;
    }
    const { trainer } = await resumableTrainer(checkpoints);
    const holder = refusal(checkpoints, `process ${child.pid} on ${Deno.hostname()}`);
    await assert.rejects(trainer.train(), holder);
    trainer.outputDir = `${folder.path}/elsewhere`;
    await trainer.train();
  } finally {
    child.kill("SIGKILL");
    await child.status;
  }
  assert.ok((await namesIn(checkpoints)).includes(".lock"));
  const options = { maxSteps: 3, acceptChanges: ["maxSteps"] };
  await outcome(await resumableTrainer(checkpoints, options));
  assert.ok(!(await namesIn(checkpoints)).includes(".lock"));
});

Deno.test("two trainers of a process do not train in one folder at once", async () => {
  await using folder = await temporaryFolder();
  const { trainer: other } = await resumableTrainer(folder.path, { maxSteps: 2 });
  const { trainer } = await resumableTrainer(folder.path, {
    maxSteps: 2,
    listeners: [async ({ type }) => {
      if (type === "step") {
        await assert.rejects(other.train(), refusal(folder.path, "this process"));
      }
    }],
  });
  await trainer.train();
  assert.deepEqual(await namesIn(folder.path), ["checkpoint-1", "checkpoint-2"]);
  await assert.rejects(trainer.train()); // all steps are done
  await other.train(); // and the folder is free again
});

Deno.test("Trainer trains where the file system has no locks", async () => {
  await using folder = await temporaryFolder();
  const { tryLock } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.tryLock = () => Promise.reject(new Error("No locks available"));
  try {
    const { trainer } = await resumableTrainer(folder.path, { maxSteps: 2 });
    await trainer.train();
  } finally {
    Deno.FsFile.prototype.tryLock = tryLock;
  }
  assert.deepEqual(await namesIn(folder.path), ["checkpoint-1", "checkpoint-2"]);
});
