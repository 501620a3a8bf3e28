import assert from "node:assert/strict";
import { openDevice } from "lightweight-finetuning";
import { isFile, lockFolder } from "../../lib/files.ts";
import { namesIn, outcome, resumableTrainer } from "../helpers/resumable.ts";
import { jupyter, notebookOf, root } from "../helpers/notebook.ts";

await openDevice();

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`a training that nbconvert runs is kept when nbconvert gets ${signal}`, async () => {
    await Deno.mkdir(`${root}runs`, { recursive: true });
    const folder = await Deno.makeTempDir({ dir: `${root}runs` }); // where deno.json is found
    const train = `import { Trainer } from "lightweight-finetuning";
      const { resumable } = await import("${new URL("../helpers/resumable.ts", import.meta.url)}");
      const { model, options } = await resumable("full");
      await new Trainer(model, {
        ...options,
        outputDir: "checkpoints",
        saveSteps: 100, // only Stop and the last step write one
        listeners: [async ({ type, step }) => {
          if (type !== "step") return;
          Deno.writeTextFileSync("step", String(step));
          await new Promise((done) => setTimeout(done, 1000));
        }],
      }).train();`;
    await Deno.writeTextFile(`${folder}/train.ipynb`, notebookOf([train]));
    const nbconvert = new Deno.Command(jupyter, {
      args: ["nbconvert", "--to", "notebook", "--execute", "--inplace", `${folder}/train.ipynb`],
      stderr: "null",
    }).spawn();
    const until = async (what: string, isSo: () => Promise<boolean>) => {
      for (let tries = 0; tries < 300; tries++) {
        if (await isSo().catch(() => false)) return;
        await new Promise((done) => setTimeout(done, 100));
      }
      throw new Error(`waited 30 s for ${what}`);
    };
    const checkpoints = async () =>
      (await namesIn(`${folder}/checkpoints`)).filter((name) => name !== ".lock");
    const isFree = async () => {
      (await lockFolder(`${folder}/checkpoints`))[Symbol.dispose]();
      return true;
    };
    await until("a step", () => isFile(`${folder}/step`));
    nbconvert.kill(signal);
    await nbconvert.status;
    // The relay looks once a second whether nbconvert is gone; a step or two may be done meanwhile.
    await until("a checkpoint", async () => /^checkpoint-\d+$/.test(`${await checkpoints()}`));
    await until("the end of training", isFree);
    const step = await Deno.readTextFile(`${folder}/step`);
    assert.deepEqual(await checkpoints(), [`checkpoint-${step}`]);
    assert.ok(Number(step) < 10, `the training went on to step ${step} of 25`);
    const whole = await outcome(await resumableTrainer(""));
    assert.deepEqual(await outcome(await resumableTrainer(`${folder}/checkpoints`)), whole);
    await Deno.remove(folder, { recursive: true });
  });
}
