/** The walk of docs/00-your-own-data.md, followed word for word in a copy of the project. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { basename } from "node:path";
import type { Page } from "playwright-core";
import { temporaryFolder } from "../helpers/altered.ts";
import { browserFile, menu, startJupyterLab } from "../helpers/jupyterlab.ts";
import { root } from "../helpers/notebook.ts";
import { walk } from "../helpers/walk.ts";

const here = new URL("../../", import.meta.url);
const PAGE = `${root}docs/00-your-own-data.md`;

/** Sixty reviews of three kinds, of one to three stars. */
const REVIEWS = "review,stars\n" + Array.from({ length: 60 }, (_, i) => {
  const [stars, words] = [
    [1, `broke after ${i} days, I want my money back`],
    [2, `works, but the ${i} pages of its manual are no help`],
    [3, `perfect, the best of the ${i} that I have tried`],
  ][i % 3]!;
  return `"${words}",${stars}\n`;
}).join("");

/** A copy of what the project needs to run. */
async function copyProject(folder: string) {
  for (const name of ["course", "kernel", "lib", "notebooks", "report"]) {
    for (const file of walk(new URL(`${name}/`, here), "")) {
      const path = `${folder}/${decodeURIComponent(file.href.slice(here.href.length))}`;
      await Deno.mkdir(path.replace(/[^/]*$/, ""), { recursive: true });
      await Deno.copyFile(file, path);
    }
  }
  for (const name of ["deno.json", "deno.lock", "Makefile"]) {
    await Deno.copyFile(root + name, `${folder}/${name}`);
  }
  for (const name of [".venv", "node_modules"]) {
    await Deno.symlink(root + name, `${folder}/${name}`);
  }
  await Deno.mkdir(`${folder}/data`);
}

/** Runs a command as a reader would; set-up has been done. */
async function shell(command: string, cwd: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-ec", command],
    cwd,
    env: {
      MAKEFLAGS: "--no-print-directory",
      PYTHON: "true",
      NO_COLOR: "1",
      PROFILE: "",
      RUNS: "",
    },
  }).output();
  const [out, log] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.ok(success, `${command}\n${out}${log}`);
  return out!;
}

/** What the page says to do, in order. */
async function steps(): Promise<string[]> {
  const text = (await Deno.readTextFile(PAGE)).match(
    /^## In JupyterLab\n([^]*?)^(?![\d -])(?=\w)/m,
  )![1]!;
  return text.trim().split(/\n *(?:\d+\.|-) /).map((step) => step.replace(/\s+/g, " ").trim());
}

/** Does what a step says; each has the words that it is known by. */
async function follow(step: string, page: Page) {
  const code = Array.from(step.matchAll(/`([^`]+)`/g), ([, text]) => text!);
  const [name = ""] = Array.from(step.matchAll(/\*\*([^*]+)\*\*/g), ([, text]) => text!);
  const visible = page.locator(".jp-NotebookPanel:visible");
  if (/press \*\*/.test(step)) {
    await page.locator(".jp-DirListing-item", { hasText: "01-load" }).waitFor();
    const chooser = page.waitForEvent("filechooser");
    await page.getByTitle(name).or(page.getByRole("button", { name })).first().click();
    await (await chooser).setFiles({
      name: code[0]!,
      mimeType: "text/csv",
      buffer: Buffer.from(REVIEWS),
    });
    await page.locator(".jp-DirListing-item", { hasText: code[0]! }).waitFor();
  } else if (/double-click \*\*/.test(step)) {
    await page.locator(".jp-DirListing-item", { hasText: name }).dblclick();
    await visible.locator(".jp-CodeCell").first().waitFor();
    await page.getByText("Deno | Idle").waitFor();
  } else if (/^Replace the line that begins with/.test(step)) {
    const [before, after] = code;
    const lines = visible.locator(".jp-CodeCell").first().locator(".cm-line");
    await lines.filter({ hasText: new RegExp(`^${before}`) }).first().click();
    await page.keyboard.press("Home");
    await page.keyboard.press("Shift+End");
    await page.keyboard.insertText(after!);
  } else if (/choose \*\*/.test(step)) {
    const [title, item] = name.split(" > ");
    await menu(page, title!, item!);
    const output = visible.locator(".jp-OutputArea-output").filter({ hasText: code[0]! });
    const error = visible.locator('[data-mime-type="application/vnd.jupyter.error"]');
    await output.or(error).first().waitFor({ timeout: 300_000 });
    assert.deepEqual(await error.allInnerTexts(), []);
  } else {
    assert.fail(`the test cannot follow: ${step}`);
  }
}

Deno.test({
  name:
    "the walk 'Your own data in ten minutes' leads to an adapter and a prediction, word for word",
  ignore: !browserFile,
  async fn() {
    await using temporary = await temporaryFolder();
    const folder = `${temporary.path}/a project`;
    await Deno.mkdir(folder);
    await copyProject(folder);
    const [first, ...others] = await steps();
    assert.match(first!, /run `make lab`/);
    assert.match(await shell("make -n lab", folder), /deno task lab\n$/);
    const last = others.pop()!;
    {
      await using lab = await startJupyterLab(`${root}.venv/bin/deno`, ["task", "lab"], {
        folder: temporary.path,
        cwd: folder,
        env: { PROFILE: "", RUNS: "" },
      });
      await lab.page.goto(`${lab.url}/?token=test`);
      for (const step of others) await follow(step, lab.page);
    }
    const command = last.match(/run `(make predict [^`]+)`/)![1]!;
    const predicted = await shell(command, folder);
    assert.match(predicted, /^[123]\t[01]\.\d{3}\tIt broke after a day\n$/);

    const adapter = JSON.parse(
      await Deno.readTextFile(`${folder}/runs/sample/lora/adapter/adapter_config.json`),
    );
    assert.equal(adapter.r, 8);
    const { data, labelColumn } = JSON.parse(
      await Deno.readTextFile(`${folder}/runs/sample/settings.json`),
    );
    assert.deepEqual([basename(data), labelColumn], ["reviews.csv", "stars"]);

    // The page's other way, on the file that is there now; the notebook's settings are as they were.
    await Deno.copyFile(`${root}notebooks/01-load.ipynb`, `${folder}/notebooks/01-load.ipynb`);
    const page = await Deno.readTextFile(PAGE);
    const commands = page.match(/## In one command\n\n```sh\n([^]*?)```/)![1]!;
    const output = await shell(commands, folder);
    assert.match(
      output,
      /\nreport: runs\/reviews\/report\/index\.html\n[123]\t[01]\.\d{3}\tIt broke/,
    );
  },
});
