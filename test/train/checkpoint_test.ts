import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import {
  openDevice,
  readSafetensors,
  Trainer,
  type TrainerListener,
  type TrainerOptions,
} from "lightweight-finetuning";
import { temporaryFolder } from "../helpers/altered.ts";
import { crash, namesIn, outcome, resumable, resumableTrainer } from "../helpers/resumable.ts";

await openDevice();

for (const way of ["full", "lora"]) {
  Deno.test(`Trainer goes on from each step of a ${way} run, and ends with the same bits`, async () => {
    const whole = await outcome(await resumableTrainer("", {}, way));
    await using folder = await temporaryFolder();
    for (const step of [2, 6, 7, 8, 15, 25]) { // 7 evaluates, 5 ends an epoch, 25 is the last
      await crash(folder.path, step, {}, way);
      assert.ok((await namesIn(folder.path)).includes(`checkpoint-${step - 1}`));
    }
    assert.deepEqual(await outcome(await resumableTrainer(folder.path, {}, way)), whole);
    // And again, when all is done.
    assert.deepEqual(await outcome(await resumableTrainer(folder.path, {}, way)), whole);
  });
}

Deno.test("Trainer keeps figures that are no numbers", async () => {
  await using folder = await temporaryFolder();
  const options: Partial<TrainerOptions> = {
    maxSteps: 8,
    evalSteps: 2,
    computeMetrics: () => ({ f1: NaN, top: Infinity }),
    metricForBestModel: "f1", // the best of none is infinitely bad
    earlyStoppingPatience: 4,
  };
  const whole = await outcome(await resumableTrainer("", options));
  assert.equal(whole.history.at(-1)!.f1, NaN);
  assert.equal(whole.result.bestStep, undefined);
  await crash(folder.path, 6, options);
  assert.deepEqual(await outcome(await resumableTrainer(folder.path, options)), whole);
});

Deno.test("Trainer keeps in a checkpoint what is trained, and the newest two checkpoints", async () => {
  await using folder = await temporaryFolder();
  const options = { saveSteps: 4, maxSteps: 10, loadBestModelAtEnd: false };
  const { model, trainer } = await resumableTrainer(folder.path, options, "lora");
  await trainer.train();
  assert.deepEqual(await namesIn(folder.path), ["checkpoint-10", "checkpoint-8"]);
  assert.deepEqual(await namesIn(`${folder.path}/checkpoint-8`), [
    ...["fingerprint.json", "manifest.json", "optimizer.safetensors", "trainer_state.json"],
    "weights.safetensors",
  ]);
  const weights = await readSafetensors(`${folder.path}/checkpoint-10/weights.safetensors`);
  const trained = [...model.parameters].filter(([, { trainable }]) => trainable);
  assert.equal(trained.length, 10); // A and B of two layers' query and value, and the head
  assert.deepEqual([...weights.keys()].sort(), trained.map(([name]) => name).sort());
  for (const [name, variable] of trained) {
    assert.deepEqual(weights.get(name)!.data, variable.dataSync());
  }
});

Deno.test("Trainer takes away what a killed process had not finished, and nothing else", async () => {
  await using folder = await temporaryFolder();
  for (const name of ["checkpoint-3.partial", "checkpoint-.partial", "mine.partial"]) {
    await Deno.mkdir(`${folder.path}/${name}/within`, { recursive: true });
  }
  const { trainer } = await resumableTrainer(folder.path, { maxSteps: 1 });
  await trainer.train();
  const kept = ["checkpoint-.partial", "checkpoint-1", "mine.partial"];
  assert.deepEqual(await namesIn(folder.path), kept);
});

Deno.test("Trainer writes a checkpoint at SIGTERM, and the process ends of it", async () => {
  await using folder = await temporaryFolder();
  const script = fileURLToPath(new URL("../helpers/resumable.ts", import.meta.url));
  const start = () =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", script, "full", folder.path, '{"saveSteps": 100}'],
      stdout: "piped",
    }).spawn();
  const child = start();
  let told = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    if (!told.includes("step") && text.includes("step")) child.kill("SIGTERM");
    told += text;
  }
  assert.equal((await child.status).signal, "SIGTERM");
  assert.match(told, /end\n$/);
  const [name, ...others] = await namesIn(`${folder.path}/checkpoints`);
  assert.match(name!, /^checkpoint-([1-9]|1\d)$/);
  assert.deepEqual(others, []);

  assert.equal((await start().output()).code, 0);
  const ended = JSON.parse(await Deno.readTextFile(`${folder.path}/ended.json`));
  assert.deepEqual(ended, await outcome(await resumableTrainer("")));
});

Deno.test("a new Trainer for a model frees what the last one kept", async () => {
  const { model, options } = await resumable("full");
  const before = tf.memory().numTensors;
  const stop: TrainerListener = ({ type }) => {
    if (type === "record") throw new Error("enough");
  };
  const stopped = new Trainer(model, { ...options, listeners: [stop] });
  await assert.rejects(stopped.train(), { message: "enough" });
  assert.ok(tf.memory().numTensors > before);
  new Trainer(model, options);
  assert.equal(tf.memory().numTensors, before);
  await assert.rejects(stopped.resume(), /^Error: Cannot resume .* after 3 of 25 steps/);
});
