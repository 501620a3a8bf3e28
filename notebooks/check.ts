/**
 * Type-checks and lints the notebooks' code, which Deno does not look into by itself, and checks its format, since
 * `deno fmt --check` of 2.9.8 takes every notebook for unformatted: `deno task check`.
 */
import { fileURLToPath } from "node:url";
import { NOTEBOOKS } from "course";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = `${root}notebooks-check`;

async function succeeds(program: string, ...args: string[]): Promise<boolean> {
  return (await new Deno.Command(program, { args, cwd: root }).spawn().status).success;
}

/** The TypeScript in a notebook's text, which are solutions of exercises. */
async function solutionsIn(path: string): Promise<string> {
  const { cells } = JSON.parse(await Deno.readTextFile(path));
  const text = cells.filter((cell: { cell_type: string }) => cell.cell_type === "markdown")
    .map(({ source }: { source: string[] | string }) => [source].flat().join("")).join("\n");
  return Array.from(text.matchAll(/^```ts\n([^]*?)^```$/gm), ([, code]) => `\n${code}`).join("");
}

await Deno.mkdir(folder, { recursive: true });
try {
  const files = NOTEBOOKS.map((notebook) => `${folder}/${notebook}.ts`);
  const copies = NOTEBOOKS.map((notebook) => `${folder}/${notebook}.ipynb`);
  for (const [i, notebook] of NOTEBOOKS.entries()) {
    const options = ["--quiet", "--to", "ts:percent", "--output", files[i]!];
    const path = `${root}notebooks/${notebook}.ipynb`;
    if (!await succeeds(`${root}.venv/bin/jupytext`, ...options, path)) {
      throw new Error(`Cannot check ${path} as jupytext cannot read it`);
    }
    await Deno.writeTextFile(files[i]!, await solutionsIn(path), { append: true });
    await Deno.copyFile(path, copies[i]!);
  }
  await succeeds(Deno.execPath(), "fmt", "--quiet", ...copies);
  for (const [i, notebook] of NOTEBOOKS.entries()) {
    const path = `${root}notebooks/${notebook}.ipynb`;
    const formatted = await Deno.readTextFile(copies[i]!);
    if (formatted === await Deno.readTextFile(path)) continue;
    if (Deno.args.includes("--fix")) {
      await Deno.writeTextFile(path, formatted);
    } else {
      console.error(`notebooks/${notebook}.ipynb is not formatted: run 'deno task format'`);
      Deno.exitCode = 1;
    }
  }
  const checked = await succeeds(Deno.execPath(), "check", ...files);
  // papermill assigns to the settings.
  const linted = await succeeds(Deno.execPath(), "lint", "--rules-exclude=prefer-const", ...files);
  if (!checked || !linted) Deno.exitCode = 1;
} finally {
  await Deno.remove(folder, { recursive: true });
}
