import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { createRandom, openDevice } from "lightweight-finetuning";
import { checkpointSteps } from "../../lib/train/checkpoint_folder.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { namesIn } from "../helpers/resumable.ts";

await openDevice();

/** How often each run is killed, and its steps. SOAK=1 asks for the long ones. */
const runs: [way: string, kills: number, maxSteps: number][] = Deno.env.has("SOAK")
  ? [["full", 13, 120], ["lora", 12, 120], ["full", 13, 120], ["lora", 12, 120]]
  : [["full", 3, 25], ["lora", 2, 25]];

const script = fileURLToPath(new URL("../helpers/resumable.ts", import.meta.url));
const start = (way: string, folder: string, maxSteps: number) =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script, way, folder, JSON.stringify({ maxSteps })],
    stdout: "piped",
    stderr: "null",
  }).spawn();

/** Reads what a run prints, an event a line, until it has done so many steps. */
async function stepsOf(child: Deno.ChildProcess, steps: number) {
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader(); // left open, as the run prints on
  let [printed, done] = ["", 0];
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    printed += part.value;
    done = printed.match(/^step$/gm)?.length ?? 0;
    if (done >= steps) return;
  }
  assert.fail(`the run ended after ${done} of ${steps} steps`);
}

const wait = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));

/** What a run came to: its result, history and parameters, and the files of its last checkpoint. */
async function outcome(folder: string) {
  const [step] = await checkpointSteps(`${folder}/checkpoints`);
  const manifest = await Deno.readTextFile(
    `${folder}/checkpoints/checkpoint-${step}/manifest.json`,
  );
  const { "trainer_state.json": _seconds, ...sha256 } = JSON.parse(manifest).sha256;
  return { ...JSON.parse(await Deno.readTextFile(`${folder}/ended.json`)), step, sha256 };
}

for (const [seed, [way, kills, maxSteps]] of runs.entries()) {
  Deno.test(`Trainer ends a ${way} run that was killed ${kills} times as one left alone`, async () => {
    await using alone = await temporaryFolder();
    await start(way, alone.path, maxSteps).output();
    await using folder = await temporaryFolder();
    const delays = createRandom(seed).uniform(kills);
    let whileWriting = 0;
    const steps: number[] = [];
    for (const [i, delay] of delays.entries()) {
      const child = start(way, folder.path, maxSteps);
      if (i % 4 === 3) await wait(500 * delay); // while it loads
      else {
        await stepsOf(child, Math.ceil(delay * maxSteps / (kills + 1))); // all kills together leave some
        await wait(20 * delay); // within a step, or a checkpoint
      }
      child.kill("SIGKILL");
      assert.equal((await child.status).signal, "SIGKILL");
      const names = await namesIn(`${folder.path}/checkpoints`);
      if (names.some((name) => name.endsWith(".partial"))) whileWriting++;
      steps.push(...(await checkpointSteps(`${folder.path}/checkpoints`)).slice(0, 1));
    }
    console.log(`at steps ${steps.join(" ")} of ${maxSteps}, ${whileWriting} times while writing`);
    await start(way, folder.path, maxSteps).output();
    assert.deepEqual(await outcome(folder.path), await outcome(alone.path));
  });
}
