import assert from "node:assert/strict";
import {
  incompleteCells,
  jupyter,
  manyCells,
  type Notebook,
  notebookOf,
  textOf,
} from "../helpers/notebook.ts";

function nbconvert(file: string, stderr: "piped" | "null" = "piped") {
  return new Deno.Command(jupyter, {
    args: ["nbconvert", "--to", "notebook", "--execute", "--inplace", file],
    stderr,
  }).spawn();
}

Deno.test("nbconvert keeps every output of 150 cells under its own cell", async () => {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/many.ipynb`;
  await Deno.writeTextFile(file, notebookOf(manyCells));
  const { code, stderr } = await nbconvert(file).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const notebook: Notebook = JSON.parse(await Deno.readTextFile(file));
  assert.equal(notebook.cells.length, 150);
  assert.deepEqual(incompleteCells(notebook), []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("nbconvert files 20,000 printed lines as few outputs", async () => {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/chatter.ipynb`;
  const cell = `for (let i = 0; i < 20_000; i++) console.log("line", i);`;
  await Deno.writeTextFile(file, notebookOf([cell]));
  const { code, stderr } = await nbconvert(file).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  const { cells: [chatter] }: Notebook = JSON.parse(await Deno.readTextFile(file));
  const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i}`);
  assert.equal(textOf(chatter!), lines.join("\n"));
  assert.ok(chatter!.outputs.length < 400, `${chatter!.outputs.length} outputs`);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the kernel ends soon after nbconvert is killed", async () => {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/endless.ipynb`;
  const endless = `Deno.writeTextFileSync("pid", String(Deno.pid)); await new Promise(() => {});`;
  await Deno.writeTextFile(file, notebookOf([endless]));
  const process = nbconvert(file, "null");
  const until = async (condition: () => boolean) => {
    for (let tries = 0; tries < 300 && !condition(); tries++) {
      await new Promise((done) => setTimeout(done, 100));
    }
    assert.ok(condition(), `waited 30 s for: ${condition}`);
  };
  const pid = () => {
    try {
      return Number(Deno.readTextFileSync(`${folder}/pid`));
    } catch {
      return 0;
    }
  };
  const runs = () => new Deno.Command("kill", { args: ["-0", `${pid()}`] }).outputSync().success;
  await until(() => pid() > 0 && runs());
  process.kill("SIGKILL");
  await process.status;
  try {
    await until(() => !runs());
  } catch (error) {
    Deno.kill(pid());
    throw error;
  }
  await Deno.remove(folder, { recursive: true });
});
