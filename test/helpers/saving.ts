/**
 * Saves two models, or two adapters, in turn into one folder until the process is killed; or the second one once, and
 * kills itself before the call to the file system whose number is the last argument.
 */
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type DevicePort, usePort } from "../../lib/device/port.ts";
import { fileDigest, isFile } from "../../lib/files.ts";
import type { Classifier } from "../../lib/model/classifier.ts";
import { saveModel } from "../../lib/model/save.ts";
import type { Tokenizer } from "../../lib/tokenizer/tokenizer.ts";

export type Save = (version: "A" | "B", folder: string) => Promise<void>;

/** Two models that differ in every file; only A has a tokenizer.json. They need no TensorFlow, which is slow to start. */
function modelSaver(): Save {
  const numbers = { A: new Float32Array(20_000).fill(1), B: new Float32Array(30_000).fill(2) };
  const folder = fileURLToPath(new URL("../fixtures/hub/models/tiny/wordpiece", import.meta.url));
  const tokenizers = {
    A: { files: [`${folder}/tokenizer.json`] } as Tokenizer,
    B: { files: [`${folder}/tokenizer_config.json`] } as Tokenizer,
  };
  usePort({ read: (x) => x.data() } as DevicePort);
  return async (version, folder) => {
    const data = numbers[version];
    const weight = { dtype: "float32", shape: [data.length], data: () => Promise.resolve(data) };
    const model = {
      config: { modelType: "bert", numHiddenLayers: 0, raw: {} },
      labels: [version],
      parameters: new Map([["classifier.weight", weight], ["classifier.bias", weight]]),
    } as unknown as Classifier;
    await saveModel(model, folder, tokenizers[version]);
  };
}

/** Two adapters of other ranks. */
async function adapterSaver(): Promise<Save> {
  const { addLora, loadClassifier, saveAdapter } = await import("lightweight-finetuning");
  const base = fileURLToPath(new URL("../fixtures/bert", import.meta.url));
  const adapterOf = async (r: number) => addLora(await loadClassifier(base), { r });
  const adapters = { A: await adapterOf(4), B: await adapterOf(8) };
  return (version, folder) => saveAdapter(adapters[version], folder);
}

export const savers = { model: modelSaver, adapter: adapterSaver };

/** The hash of every file in a folder and its folders; nothing where there is no folder. */
export async function hashes(folder: string): Promise<Record<string, string> | undefined> {
  const names = await readdir(folder, { recursive: true }).catch(() => undefined);
  if (!names) return;
  const files: Record<string, string> = {};
  for (const name of names.sort()) {
    const path = `${folder}/${name}`;
    if (await isFile(path)) files[name] = await fileDigest(path, "sha256");
  }
  return files;
}

/** Kills this process before a call to the file system, the one of this number. */
function killAt(number: number) {
  let calls = 0;
  const counted = (holder: object, names: string[]) => {
    for (const name of names) {
      const own = Reflect.get(holder, name);
      const instead = function (this: unknown, ...args: unknown[]) {
        if (++calls === number) Deno.kill(Deno.pid, "SIGKILL");
        return own.apply(this, args);
      };
      Object.defineProperty(holder, name, { value: instead });
    }
  };
  counted(Deno, ["mkdir", "open", "rename", "remove", "link", "chmod", "chown", "copyFile"]);
  counted(Deno, ["writeTextFile", "dlopen"]);
  counted(Deno.FsFile.prototype, ["lock", "write", "sync"]);
}

if (import.meta.main) {
  const [what, folder, way, at] = Deno.args;
  if (way === "without exchange") {
    Deno.dlopen = () => {
      throw new Error("no such library");
    };
  }
  const save = await savers[what as keyof typeof savers]();
  if (at) {
    killAt(Number(at));
    await save("B", folder!);
    Deno.exit();
  }
  const versions = Math.random() < 0.5 ? ["A", "B"] as const : ["B", "A"] as const;
  console.log("begins");
  while (true) for (const version of versions) await save(version, folder!);
}
