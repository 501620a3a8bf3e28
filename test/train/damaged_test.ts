import assert from "node:assert/strict";
import { cp } from "node:fs/promises";
import { createRandom, openDevice } from "lightweight-finetuning";
import { faultOf } from "../../lib/train/checkpoint_folder.ts";
import { VERSION } from "../../lib/version.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { crash, namesIn, outcome, resumableTrainer } from "../helpers/resumable.ts";
import { caughtWarnings } from "../helpers/sources.ts";

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
  ["is missing", "weights.safetensors", Deno.removeSync, "weights.safetensors is missing"],
  ["is missing", "optimizer.safetensors", Deno.removeSync, "optimizer.safetensors is missing"],
  ["is missing", "best.safetensors", Deno.removeSync, "best.safetensors is missing"],
  ["is missing", "trainer_state.json", Deno.removeSync, "trainer_state.json is missing"],
  ["is missing", "fingerprint.json", Deno.removeSync, "fingerprint.json is missing"],
  ["is missing", "manifest.json", Deno.removeSync, "No such file"],
  ["is cut off", "manifest.json", (path) => Deno.truncateSync(path, 100), "JSON"],
  ["is empty", "manifest.json", (path) => Deno.writeTextFileSync(path, "{}"), "lists no files"],
  [
    "lists nothing",
    "manifest.json",
    (path) => Deno.writeTextFileSync(path, '{"sha256": {}}'),
    "manifest.json does not list fingerprint.json",
  ],
  ["is a list", "manifest.json", (path) => Deno.writeTextFileSync(path, "[]"), "JSON object"],
  [
    "has hashes of another kind",
    "manifest.json",
    (path) =>
      Deno.writeTextFileSync(path, Deno.readTextFileSync(path).replace(/"[0-9a-f]{64}"/, "5")),
    "is not as it was written",
  ],
  [
    "is not listed",
    "more.safetensors",
    (path) => Deno.copyFileSync(path.replace("more", "weights"), path),
    "manifest.json does not list more.safetensors",
  ],
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
      using warnings = caughtWarnings();
      assert.deepEqual(await outcome(await resumableTrainer(copy.path, options)), whole);
      const { said } = warnings;
      assert.equal(said.length, 1);
      assert.ok(said[0]!.startsWith(`${path} is damaged and moved to ${path}.damaged: `), said[0]!);
      assert.ok(said[0]!.includes(reason), said[0]!);
      assert.ok((await namesIn(copy.path)).includes("checkpoint-8.damaged"));
    });
  }
});

Deno.test("Trainer passes over folders that are no checkpoint of a step", async () => {
  await using folder = await crashedAt9();
  const whole = await outcome(await resumableTrainer("", options));
  for (const name of ["0040", "9".repeat(20), "-1", "8.5", "1e3", " 9", ""]) {
    await cp(`${folder.path}/checkpoint-7`, `${folder.path}/checkpoint-${name}`, {
      recursive: true,
    });
  }
  await Deno.writeTextFile(`${folder.path}/checkpoint-8/.DS_Store`, "a system's own");
  assert.deepEqual(await outcome(await resumableTrainer(folder.path, options)), whole);
});

Deno.test("Trainer reports a fault of a checkpoint whose manifest holds anything", async () => {
  await using folder = await crashedAt9();
  const path = `${folder.path}/checkpoint-8`;
  const manifest = await Deno.readTextFile(`${path}/manifest.json`);
  const random = createRandom(42);
  const below = (n: number) => Math.floor(random.uniform(1)[0]! * n);
  const pieces = ["{", "}", "[", "]", "null", '""', "1e999", ":", ",", '"sha256"', "\0", "../"];
  for (let i = 0; i < 2000; i++) {
    const [start, length] = [below(manifest.length), below(90)];
    const text = manifest.slice(0, start) + pieces[below(pieces.length)] +
      manifest.slice(start + length);
    await Deno.writeTextFile(`${path}/manifest.json`, text);
    const fault = await faultOf(path);
    if (fault === undefined) assert.deepEqual(JSON.parse(text).sha256, JSON.parse(manifest).sha256);
    else {
      const says =
        /^(Cannot read .*manifest.json as it must hold a JSON object|manifest.json (does not list|lists no files)|\S+ is (not as it was written|missing)$)/s;
      assert.match(fault, says);
    }
  }
});

Deno.test("a checkpoint says which version wrote it, and Trainer if it was another", async () => {
  for (const [version, said] of [[VERSION], ["9.9.9", "9.9.9"], [undefined, "before 0.3.0"]]) {
    await using folder = await crashedAt9();
    const path = `${folder.path}/checkpoint-8`;
    const manifest = JSON.parse(await Deno.readTextFile(`${path}/manifest.json`));
    assert.equal(manifest.version, VERSION);
    await Deno.writeTextFile(`${path}/manifest.json`, JSON.stringify({ ...manifest, version }));
    using warnings = caughtWarnings();
    await outcome(await resumableTrainer(folder.path, options));
    assert.deepEqual(
      warnings.said,
      said === undefined ? [] : [
        `${path} was written by version ${said} of this library, which is ${VERSION}: the run may ` +
        "end with other numbers than it would have",
      ],
    );
  }
  const { version } = JSON.parse(
    await Deno.readTextFile(new URL("../../deno.json", import.meta.url)),
  );
  assert.equal(VERSION, version);
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
