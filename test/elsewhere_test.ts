import assert from "node:assert/strict";
import { dirname } from "node:path";
import {
  addLora,
  loadAdapter,
  loadClassifier,
  saveAdapter,
  type TextModel,
  Trainer,
} from "lightweight-finetuning";
import { findLibraries } from "../lib/device/libraries.ts";
import { temporaryFolder } from "./helpers/altered.ts";
import { fixture } from "./helpers/reference.ts";

const mod = new URL("../lib/mod.ts", import.meta.url).href;

/** What a program of twelve rows does; another project runs its text. */
async function trainTwelveRows(
  { addLora, loadClassifier, saveAdapter, Trainer }: typeof import("lightweight-finetuning"),
  modelFolder: string,
  adapterFolder: string,
) {
  const model = await loadClassifier(modelFolder, { labels: ["a", "b", "c", "d"] });
  const adapter = addLora(model, { r: 2, loraDropout: 0.1 });
  const rows = {
    inputIds: Array.from({ length: 12 }, (_, row) => [2, 5 + row, 20 - row, 3]),
    labels: Array.from({ length: 12 }, (_, row) => row % 4),
  };
  const trainer = new Trainer(adapter, { trainDataset: rows, evalDataset: rows, maxSteps: 3 });
  await trainer.train();
  await saveAdapter(adapter, adapterFolder);
}

Deno.test("a project elsewhere trains an adapter on twelve rows and saves it", async () => {
  await using project = await temporaryFolder();
  const { path } = project;
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url)));
  const packages = Object.entries<string>(imports).filter(([, to]) => to.startsWith("npm:"));
  const config = {
    imports: { "lightweight-finetuning": mod, ...Object.fromEntries(packages) },
    nodeModulesDir: "none",
    lock: false,
  };
  await Deno.writeTextFile(`${path}/deno.json`, JSON.stringify(config));
  await Deno.writeTextFile(
    `${path}/main.ts`,
    `import * as library from "lightweight-finetuning";
${trainTwelveRows}
await trainTwelveRows(library, ...Deno.args);`,
  );
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "main.ts", fixture("bert"), "adapter"],
    cwd: path,
    env: { NO_COLOR: "1", NATIVE_LIBRARIES: dirname(findLibraries().binding) },
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  assert.deepEqual(
    [...Deno.readDirSync(path)].map(({ name }) => name).sort(),
    ["adapter", "deno.json", "main.ts"],
  );

  const library = { addLora, loadClassifier, saveAdapter, Trainer };
  await trainTwelveRows(
    library as typeof import("lightweight-finetuning"),
    fixture("bert"),
    `${path}/here`,
  );
  const weights = (folder: string) => Deno.readFile(`${path}/${folder}/adapter_model.safetensors`);
  assert.deepEqual(await weights("adapter"), await weights("here"));
  const model: TextModel = await loadAdapter(
    await loadClassifier(fixture("bert")),
    `${path}/adapter`,
  );
  assert.ok(model);
});

Deno.test("importing the library reads no file, opens no device and loads nothing native", async () => {
  await using folder = await temporaryFolder();
  const denied = ["read", "write", "env", "ffi", "net", "run", "sys"].map((name) =>
    `--deny-${name}`
  );
  const program = `${folder.path}/main.ts`;
  await Deno.writeTextFile(program, `import "${mod}"; console.log("imported");`);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...denied, "--config", "deno.json", program],
    cwd: new URL("..", import.meta.url),
    env: { NO_COLOR: "1" },
  }).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  assert.equal(new TextDecoder().decode(stdout), "imported\n");
});
