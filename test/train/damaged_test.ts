import assert from "node:assert/strict";
import { cp } from "node:fs/promises";
import { openDevice } from "lightweight-finetuning";
import { temporaryFolder } from "../helpers/altered.ts";
import { crash, namesIn, outcome, resumableTrainer } from "../helpers/resumable.ts";

await openDevice();

const options = { maxSteps: 10, loadBestModelAtEnd: true };

/** A folder with the checkpoints of steps 7 and 8. */
async function crashedAt9() {
  const folder = await temporaryFolder();
  await crash(folder.path, 9, options);
  assert.deepEqual(await namesIn(folder.path), ["checkpoint-7", "checkpoint-8"]);
  return folder;
}

async function copyOf(folder: string) {
  const copy = await temporaryFolder();
  await cp(folder, copy.path, { recursive: true });
  return copy;
}

/** What can be wrong with a file of a checkpoint, and what is said of it. */
const DAMAGES: [what: string, file: string, damage: (path: string) => void, said: string][] = [
  [
    "is cut off",
    "weights.safetensors",
    (path) => Deno.truncateSync(path, 9000),
    "is not as it was",
  ],
  ["has another bit", "weights.safetensors", flipBit, "is not as it was written"],
  ["has another bit", "optimizer.safetensors", flipBit, "is not as it was written"],
  ["has another bit", "best.safetensors", flipBit, "is not as it was written"],
  ["has another bit", "trainer_state.json", flipBit, "is not as it was written"],
  ["is missing", "weights.safetensors", Deno.removeSync, "No such file"],
  ["is missing", "optimizer.safetensors", Deno.removeSync, "No such file"],
  ["is missing", "best.safetensors", Deno.removeSync, "No such file"],
  ["is missing", "trainer_state.json", Deno.removeSync, "No such file"],
  ["is missing", "fingerprint.json", Deno.removeSync, "No such file"],
  ["is missing", "manifest.json", Deno.removeSync, "No such file"],
  ["is cut off", "manifest.json", (path) => Deno.truncateSync(path, 100), "JSON"],
  ["is empty", "manifest.json", (path) => Deno.writeTextFileSync(path, "{}"), "undefined"],
];

function flipBit(path: string) {
  const bytes = Deno.readFileSync(path);
  bytes[bytes.length - 9]! ^= 1;
  Deno.writeFileSync(path, bytes);
}

Deno.test("Trainer names a damaged checkpoint and goes on from the one before, exactly", async (t) => {
  await using folder = await crashedAt9();
  const whole = await outcome(await resumableTrainer("", options));
  for (const [what, file, damage, reason] of DAMAGES) {
    await t.step(`${file} ${what}`, async () => {
      await using copy = await copyOf(folder.path);
      const path = `${copy.path}/checkpoint-8`;
      damage(`${path}/${file}`);
      const { warn } = console;
      const said: string[] = [];
      console.warn = (text: string) => void said.push(text);
      const ended = outcome(await resumableTrainer(copy.path, options));
      assert.deepEqual(await ended.finally(() => console.warn = warn), whole);
      assert.equal(said.length, 1);
      assert.ok(said[0]!.startsWith(`${path} is damaged and moved to ${path}.damaged: `), said[0]!);
      assert.ok(said[0]!.includes(reason), said[0]!);
      assert.ok((await namesIn(copy.path)).includes("checkpoint-8.damaged"));
    });
  }
});

Deno.test("Trainer refuses to go on where no checkpoint is whole, and names each", async () => {
  await using folder = await crashedAt9();
  flipBit(`${folder.path}/checkpoint-7/weights.safetensors`);
  await Deno.remove(`${folder.path}/checkpoint-8`, { recursive: true });
  await Deno.writeTextFile(`${folder.path}/checkpoint-8`, "a file");
  const { trainer } = await resumableTrainer(folder.path, options);
  const message = `Cannot resume as ${folder.path} must hold an intact checkpoint, and all are ` +
    "damaged. Restore one, or remove the folder to start over\n" +
    `${folder.path}/checkpoint-8: Not a directory (os error 20): readfile ` +
    `'${folder.path}/checkpoint-8/manifest.json'\n` +
    `${folder.path}/checkpoint-7: weights.safetensors is not as it was written`;
  await assert.rejects(trainer.train(), { message });
  await assert.rejects(trainer.resume(), { message });
  assert.deepEqual(await namesIn(folder.path), ["checkpoint-7", "checkpoint-8"]);
});

Deno.test("Trainer trains over no checkpoint, and resumes from none", async () => {
  await using folder = await crashedAt9();
  const { trainer } = await resumableTrainer(folder.path, { resumeFromCheckpoint: false });
  await assert.rejects(trainer.train(), {
    message: `Cannot train from step 0 as ${folder.path}/checkpoint-8 exists. Set ` +
      "'resumeFromCheckpoint' to resume from it, or 'outputDir' to another folder, or remove it",
  });
  trainer.outputDir = `${folder.path}/new`;
  await assert.rejects(trainer.resume(), {
    message: "Cannot resume as 'outputDir' must hold a checkpoint if no step is done yet: " +
      `current value is '${folder.path}/new'. Call train() to start`,
  });
});
