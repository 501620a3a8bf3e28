import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { temporaryFolder } from "./helpers/altered.ts";

const lib = new URL("../lib/", import.meta.url);

/** The rooms in the order of lib/README.md's table: each may import those above it. */
const ROOMS = Array.from(
  Deno.readTextFileSync(new URL("README.md", lib)).matchAll(/^\| \[`([\w.]+)`\]/gm),
  ([, name]) => name!,
);

interface Module {
  specifier: string;
  dependencies?: { code?: { specifier: string }; type?: { specifier: string } }[];
}

/** What each file of lib imports of lib, types included. */
async function imports(): Promise<Map<string, string[]>> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL("mod.ts", lib).href],
  }).output();
  const { modules }: { modules: Module[] } = JSON.parse(new TextDecoder().decode(stdout));
  const isOurs = (specifier = "") => /^file:(?!.*\/node_modules\/)/.test(specifier);
  const local = modules.filter(({ specifier }) => isOurs(specifier));
  return new Map(local.map(({ specifier, dependencies = [] }) => {
    const targets = dependencies.flatMap(({ code, type }) => [code?.specifier, type?.specifier]);
    const files = targets.filter(isOurs) as string[];
    return [pathOf(specifier), [...new Set(files.map(pathOf))]];
  }));
}

function pathOf(specifier: string): string {
  assert.ok(specifier.startsWith(lib.href), `${specifier} is not in lib`);
  return specifier.slice(lib.href.length);
}

const graph = await imports();

Deno.test("a room of lib imports only the rooms that lib/README.md lists above it", () => {
  const rankOf = (path: string) => {
    const room = path.split("/")[0]!;
    const rank = ROOMS.indexOf(room);
    assert.notEqual(rank, -1, `${room} is not in lib/README.md`);
    return rank;
  };
  const backwards = [...graph].flatMap(([path, targets]) =>
    path === "mod.ts" ? [] : targets.filter((target) => rankOf(target) > rankOf(path))
      .map((target) => `${path} imports ${target}`)
  );
  assert.deepEqual(backwards, []);
  assert.ok(graph.size > 50 && ROOMS.length > 10);
});

Deno.test("no files of lib import each other in a circle, not even for types", () => {
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: string[]) => {
    if (trail.includes(path)) return circles.push([...trail, path].join(" → "));
    if (done.has(path)) return;
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  assert.deepEqual(circles, []);
});

for (const entry of ["lib/mod.ts", "lib/hub/mod.ts", "lib/display/mod.ts", "course/mod.ts"]) {
  Deno.test(`importing ${entry} needs no permission, so it reads no file and loads nothing native`, async () => {
    await using folder = await temporaryFolder();
    const script = `${folder.path}/import.ts`;
    await Deno.writeTextFile(script, `import "${new URL(`../${entry}`, import.meta.url)}";`);
    const config = fileURLToPath(new URL("../deno.json", import.meta.url));
    const args = ["run", "--no-prompt", `--config=${config}`, script];
    const { success, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
  });
}
