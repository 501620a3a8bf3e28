import assert from "node:assert/strict";
import { dirname } from "node:path";
import { loadAdapter, loadClassifier } from "lightweight-finetuning";
import { findLibraries } from "../lib/device/libraries.ts";
import { temporaryFolder } from "./helpers/altered.ts";
import { fixture } from "./helpers/reference.ts";

const here = new URL("../", import.meta.url);
const mod = new URL("lib/mod.ts", here).href;
const program = new URL("helpers/twelve_rows.ts", import.meta.url);

async function deno(cwd: string | URL, args: string[], env: Record<string, string> = {}) {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd,
    env: { NO_COLOR: "1", ...env },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const [out, log] = [text(stdout), text(stderr)];
  assert.ok(success, log);
  return { out, log };
}

Deno.test("a project elsewhere trains an adapter on twelve rows and saves it", async () => {
  await using project = await temporaryFolder();
  const { path } = project;
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", here)));
  const packages = Object.entries<string>(imports).filter(([, to]) => to.startsWith("npm:"));
  const config = {
    imports: { "lightweight-finetuning": mod, ...Object.fromEntries(packages) },
    nodeModulesDir: "none",
    lock: false,
  };
  await Deno.writeTextFile(`${path}/deno.json`, JSON.stringify(config));
  await Deno.copyFile(program, `${path}/main.ts`);
  // Checked by the project's own compiler options, the default ones.
  await deno(path, ["run", "-A", "--check", "main.ts", fixture("bert"), "adapter"], {
    NATIVE_LIBRARIES: dirname(findLibraries().binding),
  });
  const names = Array.from(Deno.readDirSync(path), ({ name }) => name).sort();
  assert.deepEqual(names, ["adapter", "deno.json", "main.ts"]);

  await deno(here, ["run", "-A", program.href, fixture("bert"), `${path}/here`]);
  const weights = (folder: string) => Deno.readFile(`${path}/${folder}/adapter_model.safetensors`);
  assert.deepEqual(await weights("adapter"), await weights("here"));
  await loadAdapter(await loadClassifier(fixture("bert")), `${path}/adapter`);
});

Deno.test("importing the library reads no file, opens no device and loads nothing native", async () => {
  await using folder = await temporaryFolder();
  const denied = ["read", "write", "env", "ffi", "net", "run", "sys"].map((name) =>
    `--deny-${name}`
  );
  const main = `${folder.path}/main.ts`;
  await Deno.writeTextFile(main, `import "${mod}"; console.log("imported");`);
  const args = ["run", "--no-prompt", ...denied, "--config", "deno.json", main];
  assert.deepEqual(await deno(here, args), { out: "imported\n", log: "" });
});
