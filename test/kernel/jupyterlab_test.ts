import assert from "node:assert/strict";
import { Trainer } from "lightweight-finetuning";
import type { Page } from "playwright-core";
import { temporaryFolder } from "../helpers/altered.ts";
import { browserFile, menu, startJupyterLab } from "../helpers/jupyterlab.ts";
import { digest, resumable } from "../helpers/resumable.ts";
import {
  incompleteCells,
  jupyter,
  manyCells,
  type Notebook,
  notebookOf,
  root,
  textOf,
} from "../helpers/notebook.ts";

/** Opens a notebook of these cells in JupyterLab, lets `act` use it, and returns it as then saved. */
async function inJupyterLab(
  sources: string[],
  act: (page: Page) => Promise<void>,
): Promise<Notebook> {
  await Deno.mkdir(`${root}runs`, { recursive: true });
  const folder = await Deno.makeTempDir({ dir: `${root}runs` }); // where deno.json is found
  await Deno.mkdir(`${folder}/notebooks`);
  const file = `${folder}/notebooks/test.ipynb`;
  await Deno.writeTextFile(file, notebookOf(sources));
  try {
    const args = ["lab", `--ServerApp.root_dir=${folder}/notebooks`];
    await using lab = await startJupyterLab(jupyter, args, { folder });
    const { page, url } = lab;
    await page.goto(`${url}/lab/tree/test.ipynb?token=test`);
    await page.getByText("Deno | Idle").waitFor();
    await act(page);
    await menu(page, "File", "Save Notebook");
    await page.locator(".jp-mod-dirty").waitFor({ state: "detached" });
    return JSON.parse(await Deno.readTextFile(file));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name: "JupyterLab's Run All keeps every output of 150 cells under its own cell",
  ignore: !browserFile,
  async fn() {
    const notebook = await inJupyterLab(manyCells, async (page) => {
      await menu(page, "Run", "Run All Cells");
      await page.getByText("[150]:").first().waitFor();
      await page.getByText("Deno | Idle").waitFor();
      const news = page.getByText("get notified about official Jupyter news");
      await news.waitFor({ timeout: 3000 }).catch(() => {});
      assert.equal(await news.count(), 0);
    });
    assert.equal(notebook.cells.length, 150);
    assert.deepEqual(incompleteCells(notebook), []);
  },
});

Deno.test({
  name: "JupyterLab shows JSDoc at Shift-Tab, and completes an option at Tab",
  ignore: !browserFile,
  async fn() {
    const sources = [
      `import { addLora, loadDataset } from "lightweight-finetuning";`,
      "loadDataset",
      "addLora(null as any, { lora",
    ];
    await inJupyterLab(sources, async (page) => {
      const at = async (index: number) => {
        await page.locator(".jp-CodeCell").nth(index).locator(".cm-line").first().click();
        await page.keyboard.press("End");
      };
      await at(0);
      await page.keyboard.press("Control+Enter");
      await page.getByText("[1]:").first().waitFor();
      const tooltip = page.locator(".jp-Tooltip").getByText("Loads texts and their classes");
      const isThere = () => tooltip.waitFor({ timeout: 3000 }).then(() => true, () => false);
      let tries = 0; // until the language service has started
      do {
        assert.ok(tries++ < 30, "no JSDoc at Shift-Tab");
        await page.keyboard.press("Escape");
        await at(1);
        await page.keyboard.press("Shift+Tab");
      } while (!await isThere());
      await page.keyboard.press("Escape");
      await at(2);
      await page.keyboard.press("Tab");
      await page.locator(".jp-Completer").getByText("loraAlpha").first().waitFor();
    });
  },
});

Deno.test({
  name: "JupyterLab's Stop ends a listening cell, and all variables stay",
  ignore: !browserFile,
  async fn() {
    const loop = `let stopped = false;
      const onStop = () => stopped = true;
      Deno.addSignalListener("SIGINT", onStop);
      while (!stopped) await new Promise((done) => setTimeout(done, 10));
      Deno.removeSignalListener("SIGINT", onStop);
      console.log("stopped");`;
    const sources = ["const kept = 41;", loop, `console.log("must not run")`, "kept + 1"];
    const notebook = await inJupyterLab(sources, async (page) => {
      const stop = page.locator('[data-command="notebook:interrupt-kernel"]').first();
      await menu(page, "Run", "Run All Cells");
      await page.getByText("Deno | Busy").waitFor();
      await stop.click();
      await page.getByText("Deno | Idle").waitFor();
      await stop.click();
      await page.getByText("kept + 1").click();
      await page.keyboard.press("Shift+Enter");
      await page.getByText("42", { exact: true }).waitFor();
    });
    assert.deepEqual(notebook.cells.map(textOf).slice(0, 4), ["", "stopped", "", "42"]);
  },
});

Deno.test({
  name: "JupyterLab's Stop ends training at a step, and running the cell again goes on",
  ignore: !browserFile,
  async fn() {
    const load = `import { Trainer } from "lightweight-finetuning";
      const { digest, resumable } = await import("${new URL(
      "../helpers/resumable.ts",
      import.meta.url,
    )}");
      const { model, options } = await resumable("full");`;
    const train = `const trainer = new Trainer(model, {
        ...options,
        outputDir: "checkpoints",
        saveSteps: 100, // only Stop and the last step write one
        listeners: [async (event) => {
          if (event.type === "begin" && event.history) console.log("goes on");
          if (event.type === "step") console.log("step", event.step);
          await new Promise((done) => setTimeout(done, 100));
        }],
      });
      const { step, stopped } = await trainer.train();
      console.log(stopped ? "stopped at" : "ended at", step);`;
    const names = `[...Deno.readDirSync("checkpoints")].map(({ name }) => name).join()`;
    const sources = [load, train, "digest(model)", names];
    let stopped = "";
    let kept = "";
    const notebook = await inJupyterLab(sources, async (page) => {
      const cell = (index: number) => page.locator(".jp-CodeCell").nth(index);
      const shown = (index: number, text: RegExp) =>
        cell(index).locator(".jp-OutputArea").getByText(text).innerText();
      const run = async (index: number) => {
        await cell(index).locator(".jp-InputArea-editor").click();
        await page.keyboard.press("Shift+Enter");
      };
      await menu(page, "Run", "Run All Cells");
      await page.getByText("step 4").waitFor();
      await page.locator('[data-command="notebook:interrupt-kernel"]').first().click();
      stopped = await shown(1, /stopped at/);
      await page.getByText("Deno | Idle").waitFor(); // cells sent until then are aborted
      await run(3);
      kept = await shown(3, /checkpoint/);
      await run(1);
      await shown(1, /ended at/);
      await run(2);
      await shown(2, /[0-9a-f]{64}/);
    });
    const step = Number(stopped.match(/stopped at (\d+)/)![1]);
    assert.ok(step >= 4 && step < 25, stopped);
    assert.equal(kept, `"checkpoint-${step}"`);
    const [, again, parameters] = notebook.cells.map(textOf);
    const steps = Array.from({ length: 25 - step }, (_, i) => `step ${step + i + 1}`);
    assert.equal(again, ["goes on", ...steps, "ended at 25"].join("\n"));
    const { model, options } = await resumable("full");
    await new Trainer(model, options).train();
    assert.equal(parameters, `"${digest(model)}"`);
  },
});

Deno.test({
  name: "`deno task lab` opens the folder of the notebooks, and shows data/ and runs/ beside it",
  ignore: !browserFile,
  async fn() {
    await Deno.mkdir(`${root}runs`, { recursive: true });
    await using folder = await temporaryFolder();
    await using lab = await startJupyterLab(Deno.execPath(), ["task", "lab"], {
      folder: folder.path,
    });
    const { page, url } = lab;
    await page.goto(`${url}/?token=test`);
    const files = page.locator(".jp-DirListing-item");
    await files.filter({ hasText: "01-load.ipynb" }).waitFor();
    await page.locator(".jp-BreadCrumbs-home").click();
    for (const name of ["data", "runs", "notebooks"]) {
      await files.filter({ hasText: new RegExp(`^${name}`) }).waitFor();
    }
  },
});
