import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileDigest } from "../lib/files.ts";

/**
 * Finds a model in a Python package of the project's `.venv`.
 *
 * @param pin `name==version`, as in requirements.in
 * @param sha256 of its `model.safetensors`, hexadecimal
 * @returns the folder of `config.json`, `model.safetensors` and the tokenizer's files
 * @throws TypeError when `pin` names no version; Error when the package is not installed, holds no
 * model, or one with another hash.
 */
export async function findInstalledModel(pin: string, sha256: string): Promise<string> {
  const [, name, version] = pin.match(/^([\w.-]+)==([\w.+!-]+)$/) ?? [];
  if (!name || !version) {
    throw new TypeError(
      `Cannot find a model as 'pypi' must be name==version: current value is ${pin}`,
    );
  }
  // https://packaging.python.org/en/latest/specifications/recording-installed-packages/
  const info = `${name.toLowerCase().replace(/[-_.]+/g, "_")}-${version}.dist-info`;
  const lib = fileURLToPath(new URL("../.venv/lib", import.meta.url));
  for (const python of await Array.fromAsync(Deno.readDir(lib)).catch(() => [])) {
    const packages = join(lib, python.name, "site-packages");
    const record = await Deno.readTextFile(join(packages, info, "RECORD")).catch(() => "");
    const file = record.match(/^.*\/model\.safetensors(?=,)/m)?.[0];
    if (!file) continue;
    const path = join(packages, file);
    const digest = await fileDigest(path, "sha256");
    if (digest === sha256) return dirname(path);
    throw new Error(
      `Cannot use ${path} as its 'sha256' must be ${sha256}: current value is ${digest}; install` +
        ` it again with .venv/bin/pip install --force-reinstall ${pin}`,
    );
  }
  throw new Error(
    `Cannot find a model in the package ${pin} under ${lib}: .venv/bin/pip install ${pin}`,
  );
}
