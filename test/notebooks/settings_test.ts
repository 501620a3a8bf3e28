import assert from "node:assert/strict";
import type { Notebook } from "course";
import { fileDigest } from "../../lib/files.ts";
import { executeNotebook } from "../../notebooks/execute.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { withEnvironment } from "../helpers/environment.ts";
import { root } from "../helpers/notebook.ts";

const GIVEN = {
  learningRate: 3e-4,
  r: 4,
  trainRows: 48,
  evaluationRows: 0.05,
  textColumns: ["text"],
};

/** The lines of an executed notebook, without the numbers of those that tell of time or memory. */
async function withoutTimes(path: string): Promise<string[]> {
  const lines = (await Deno.readTextFile(path)).split("\n");
  const isTime = /it\/s|train_(runtime|\w+_per_second)|\btook\b|It trained|<progress/;
  return lines.map((line) => isTime.test(line) ? line.replace(/\d+([.:]\d+)*/g, "#") : line);
}

Deno.test("papermill, the environment and a file give the same run, and its files record what was used", async () => {
  await using folder = await temporaryFolder();
  const run = (notebook: Notebook, to: string) =>
    executeNotebook(`${root}notebooks/${notebook}.ipynb`, `${to}/${notebook}.ipynb`);
  const ways: Record<string, (to: string) => Promise<void>> = {
    papermill: async (to) => {
      const parameters = Object.entries({ ...GIVEN, textColumns: "text" });
      const { success, stderr } = await new Deno.Command(`${root}.venv/bin/papermill`, {
        args: [
          `${root}notebooks/01-load.ipynb`,
          `${to}/01-load.ipynb`,
          ...parameters.flatMap(([name, value]) => ["-p", name, `${value}`]),
        ],
        cwd: root,
      }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
    },
    environment: (to) => {
      const variables = { LEARNING_RATE: "3e-4", R: "4", TRAIN_ROWS: "48", EVALUATION_ROWS: ".05" };
      return withEnvironment({ ...variables, TEXT_COLUMNS: "text" }, () => run("01-load", to));
    },
    file: async (to) => {
      await Deno.writeTextFile(`${to}/mine.yaml`, JSON.stringify(GIVEN));
      const variables = { SETTINGS: `${to}/mine.yaml`, RUN: "sample" };
      await withEnvironment(variables, () => run("01-load", to));
    },
  };
  const results = [];
  for (const [way, load] of Object.entries(ways)) {
    const to = `${folder.path}/${way}`;
    await Deno.mkdir(to);
    await withEnvironment({ RUNS: to, PROFILE: "", DATA: "", SETTINGS: "", RUN: "" }, async () => {
      await load(to);
      await run("02-tokenize", to);
      await run("04-lora-finetune", to);
    });
    const json = async (path: string) =>
      JSON.parse(await Deno.readTextFile(`${to}/sample/${path}`));
    results.push({
      settings: await json("settings.json"),
      madeWith: await json("lora/made_with.json"),
      history: await json("lora/history.json"),
      adapter: await fileDigest(`${to}/sample/lora/adapter/adapter_model.safetensors`, "sha256"),
    });
  }
  const [byPapermill, byEnvironment, byFile] = results;
  // papermill's parameters on a command line are no lists: one name stands for a list of one.
  assert.equal(byPapermill!.settings.textColumns, "text");
  for (const { settings, madeWith } of results) {
    for (const found of [settings, madeWith.settings]) {
      found.textColumns = [found.textColumns].flat();
    }
    assert.deepEqual({ ...settings, ...GIVEN }, settings);
    assert.deepEqual(madeWith.settings, settings);
  }
  for (const notebook of ["02-tokenize", "04-lora-finetune"]) {
    const [one, other] = await Promise.all(
      ["environment", "file"].map((way) => withoutTimes(`${folder.path}/${way}/${notebook}.ipynb`)),
    );
    assert.deepEqual(one, other); // but for times two runs show the same
  }
  assert.deepEqual(byEnvironment, byPapermill);
  assert.deepEqual(byFile, byPapermill);
  assert.equal(byFile!.history.at(-1).step, 6); // 48 rows, two epochs, 16 a step
});
