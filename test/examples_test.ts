import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { walk } from "./helpers/walk.ts";

const root = new URL("..", import.meta.url);

async function deno(...args: string[]) {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  const said = new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout);
  assert.ok(success, said.slice(-4000));
  return said;
}

/** The examples in a file's JSDoc, the names in their imports as from a file elsewhere. */
function examplesOf(file: URL): string[] {
  const text = Deno.readTextFileSync(file);
  return Array.from(
    text.matchAll(/^ *\* ```ts(?: ignore)?\n([^]*?)^ *\* ```$/gm),
    ([, lines]) =>
      lines!.replace(/^ *\* ?/gm, "")
        .replace(/(?<=from ")\..*?(?=")/g, (name) => new URL(name, file).href),
  );
}

/** The TypeScript of a Markdown page, whose blocks go on from each other as a notebook's cells do. */
function codeOf(page: URL): string {
  const blocks = Deno.readTextFileSync(page).matchAll(/^( *)```ts\n([^]*?)^\1```$/gm);
  return Array.from(blocks, ([, , code]) => code!).join("\n");
}

const PAGES = [
  ...["README.md", "CONTRIBUTING.md", "lib/README.md"].map((page) => new URL(page, root)),
  ...walk(new URL("docs/", root), ".md"),
];

Deno.test("every example in the documentation type-checks", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.symlink(fileURLToPath(new URL("node_modules", root)), `${folder}/node_modules`);
  try {
    const files: string[] = [];
    const add = async (origin: URL, code: string) => {
      files.push(`${folder}/${files.length}.ts`);
      const source = `// ${origin.href.slice(root.href.length)}\n${code}\nexport {};\n`;
      await Deno.writeTextFile(files.at(-1)!, source);
    };
    for (
      const file of ["lib/", "course/", "report/"].flatMap((room) =>
        walk(new URL(room, root), ".ts")
      )
    ) {
      for (const example of examplesOf(file)) await add(file, example);
    }
    for (const page of PAGES) await add(page, codeOf(page));
    assert.ok(files.length > 30);
    // An example may name what it does not use.
    const config = JSON.parse(await Deno.readTextFile(new URL("deno.json", root)));
    config.compilerOptions.noUnusedLocals = false;
    for (const [name, target] of Object.entries<string>(config.imports)) {
      if (target.startsWith("./")) config.imports[name] = new URL(target, root).href;
    }
    const path = `${folder}/deno.json`;
    await Deno.writeTextFile(path, JSON.stringify({ ...config, lock: false }));
    await deno("check", "--config", path, ...files);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the examples that need no model run", async () => {
  const said = await deno("test", "-A", "--doc", "--no-check", "lib", "course");
  assert.match(said, /ok \| \d{2,} passed/);
});
