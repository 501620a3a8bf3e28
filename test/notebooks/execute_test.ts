import assert from "node:assert/strict";
import { executeNotebook } from "../../notebooks/execute.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { type Notebook, notebookOf, textOf } from "../helpers/notebook.ts";
import { isFile } from "../../lib/files.ts";

/** Runs these cells as the notebook `some`; returns the error's message, and what each cell shows. */
async function run(cells: string[], folder: string) {
  const notebook: Notebook = JSON.parse(notebookOf(cells));
  const old = { output_type: "stream", name: "stdout", text: "of an earlier run" };
  for (const cell of notebook.cells) cell.outputs = [old];
  await Deno.writeTextFile(`${folder}/some.ipynb`, JSON.stringify(notebook));
  const executed = `${folder}/executed.ipynb`;
  const message = await executeNotebook(`${folder}/some.ipynb`, executed).then(
    () => "",
    (error: Error) => error.message,
  );
  const { cells: shown }: Notebook = JSON.parse(await Deno.readTextFile(executed));
  return { message, shown: shown.map(textOf), counts: shown.map((cell) => cell.execution_count) };
}

Deno.test("a notebook whose cell fails is kept, and the message has the cell and the error with its lines", async () => {
  await using folder = await temporaryFolder();
  const { message, shown, counts } = await run([
    `console.log("first");`,
    `console.log("second");\nthrow new RangeError("Cannot go on as 'x' must be 1:\\ncurrent value is 2");`,
    `Deno.writeTextFileSync("third", "");`,
  ], folder.path);
  assert.equal(
    message,
    `Cannot finish some as its cell [2] failed:

  1 | console.log("second");
  2 | throw new RangeError("Cannot go on as 'x' must be 1:\\ncurrent value is 2");

RangeError: Cannot go on as 'x' must be 1:
current value is 2
    at <anonymous>:2:7
`,
  );
  assert.deepEqual(shown.map((text) => text.trim()), ["first", "second", ""]);
  assert.deepEqual(counts, [1, 2, null]);
  assert.ok(!await isFile(`${folder.path}/third`), "a later cell ran");
});

Deno.test("what a cell prints at different times is one output", async () => {
  await using folder = await temporaryFolder();
  const wait = "await new Promise((done) => setTimeout(done, 300));";
  await run([
    `console.log("first"); ${wait} console.log("second"); ${wait} console.error("third");`,
  ], folder.path);
  const { cells: [cell] }: Notebook = JSON.parse(
    await Deno.readTextFile(`${folder.path}/executed.ipynb`),
  );
  const shown = cell!.outputs.map(({ text }) => [text].flat().join(""));
  assert.deepEqual(shown, ["first\nsecond\n", "third\n"]);
});

Deno.test("a notebook whose process ends is kept, and the message says with which code", async () => {
  await using folder = await temporaryFolder();
  const { message, shown } = await run([`console.log("first");`, "Deno.exit(3);"], folder.path);
  assert.match(message, /^Cannot finish some as its cell \[2\] failed:[^]*ended with code 3\./);
  assert.equal(shown[0], "first");
});

Deno.test("a notebook that runs to its end is written, and leaves nothing else", async () => {
  await using folder = await temporaryFolder();
  const { message, shown } = await run([`console.log("first");`], folder.path);
  assert.equal(message, "");
  assert.deepEqual(shown, ["first"]);
  const names = Array.from(Deno.readDirSync(folder.path), ({ name }) => name).sort();
  assert.deepEqual(names, ["executed.ipynb", "some.ipynb"]);
});

Deno.test("an error that is no cell's is one line", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/some.ipynb`, "no notebook");
  await assert.rejects(
    executeNotebook(`${folder.path}/some.ipynb`, `${folder.path}/executed.ipynb`),
    /^Error: Cannot finish some: .*NotJSONError.*$/,
  );
});

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const) {
  Deno.test(`a notebook is kept when ${signal} stops it, and its cell is told`, async () => {
    await using folder = await temporaryFolder();
    const [notebook, executed] = [`${folder.path}/some.ipynb`, `${folder.path}/executed.ipynb`];
    const cell = `Deno.addSignalListener("SIGTERM", () => {
        Deno.writeTextFileSync("told", "");
        Deno.exit();
      });
      console.log("waiting");
      setTimeout(() => Deno.writeTextFileSync("waiting", ""), 500); // what is shown has arrived
      await new Promise((done) => setTimeout(done, 60_000));`;
    await Deno.writeTextFile(notebook, notebookOf([cell]));
    const module = new URL("../../notebooks/execute.ts", import.meta.url);
    const program = `import { executeNotebook } from "${module}";
      await executeNotebook(...Deno.args).catch((error) => console.log(error.message));`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", program, notebook, executed],
      stdout: "piped",
    }).spawn();
    const until = async (path: string) => {
      for (let tries = 0; tries < 300 && !await isFile(path); tries++) {
        await new Promise((done) => setTimeout(done, 100));
      }
    };
    await until(`${folder.path}/waiting`);
    child.kill(signal);
    const { stdout } = await child.output();
    const isHeard = signal === "SIGINT" || signal === "SIGTERM";
    const message = isHeard ? "Cannot finish some as it was stopped\n" : "";
    assert.equal(new TextDecoder().decode(stdout), message);
    await until(executed); // where nobody waits for it
    await until(`${folder.path}/told`); // the relay looks once a second
    const { cells: [shown] }: Notebook = JSON.parse(await Deno.readTextFile(executed));
    assert.match(textOf(shown!), /^waiting/);
    assert.ok(await isFile(`${folder.path}/told`));
  });
}
