import { createHash } from "node:crypto";
import { readJson, writeFile } from "../lib/files.ts";
import type { Run } from "./run.ts";
import { changedSettings, type Settings } from "./settings.ts";

/** The notebooks in the order in which they run: each reads files that earlier ones wrote. */
export const NOTEBOOKS = [
  "01-load",
  "02-tokenize",
  "03-full-finetune",
  "04-lora-finetune",
  "05-evaluate",
] as const;

/** A notebook's file name without `.ipynb`. */
export type Notebook = typeof NOTEBOOKS[number];

/** A folder that the notebooks write within a run's. */
export type Output = "data" | "tokens" | "full" | "lora" | "lora-4bit";

/** Who writes it, and of which data set it is made. */
const OUTPUTS: Record<Output, { notebook: Notebook; input?: Output }> = {
  data: { notebook: "01-load" },
  tokens: { notebook: "02-tokenize", input: "data" },
  full: { notebook: "03-full-finetune", input: "tokens" },
  lora: { notebook: "04-lora-finetune", input: "tokens" },
  "lora-4bit": { notebook: "04-lora-finetune", input: "tokens" },
};

/** What {@link recordOutput} writes. */
interface Origin {
  settings: Settings;
  /** The hash of what the data set held that it was made of. */
  input?: string;
}

async function recordOf(
  { folder, settings }: Pick<Run, "folder" | "settings">,
  output: Output,
): Promise<Origin> {
  const { input } = OUTPUTS[output];
  if (!input) return { settings };
  const manifest = await Deno.readFile(`${folder}/${input}/dataset.json`);
  return { settings, input: createHash("sha256").update(manifest).digest("hex") };
}

/**
 * Writes into a folder of a run, as made_with.json, with which settings and of which data it was made, for
 * {@link outputOf} to compare.
 *
 * @param run The run.
 * @param output The folder's name within the run's.
 */
export async function recordOutput(
  run: Pick<Run, "folder" | "settings">,
  output: Output,
): Promise<void> {
  const record = await recordOf(run, output);
  await writeFile(`${run.folder}/${output}/made_with.json`, JSON.stringify(record, null, 2) + "\n");
}

/**
 * Checks that a file or folder of an earlier notebook exists, and was made with the run's settings.
 *
 * @param run The run.
 * @param path Path of the file or folder within the run's folder.
 * @returns Its whole path.
 * @throws {Error} When it is missing, or was made with other settings or of other data; the message names the notebook to
 * run.
 *
 * @example
 * ```ts ignore
 * import { openRun, outputOf } from "course";
 * const folder = await outputOf(await openRun(), "full/model");
 * ```
 */
export async function outputOf(
  run: Pick<Run, "folder" | "settings">,
  path: string,
): Promise<string>;
/**
 * Reads a file or folder of an earlier notebook, if it was made with the run's settings.
 *
 * @param run The run.
 * @param path Path of the file or folder within the run's folder.
 * @param read Reads it.
 * @returns What `read` returns.
 * @throws {Error} When `read` fails, or it was made with other settings or of other data; the message names the notebook
 * to run.
 *
 * @example
 * ```ts ignore
 * import { openRun, outputOf } from "course";
 * import { openDataset } from "lightweight-finetuning";
 * const tokens = await outputOf(await openRun(), "tokens", openDataset);
 * ```
 */
export async function outputOf<T>(
  run: Pick<Run, "folder" | "settings">,
  path: string,
  read: (path: string) => Promise<T>,
): Promise<T>;
export async function outputOf(
  run: Pick<Run, "folder" | "settings">,
  path: string,
  read: (path: string) => Promise<unknown> = (path) => Deno.stat(path).then(() => path),
): Promise<unknown> {
  const output = path.split("/")[0] as Output;
  const { notebook } = OUTPUTS[output];
  return await fromNotebook(notebook, `${run.folder}/${path}`, async (path) => {
    const value = await read(path);
    await checkRecord(run, output);
    return value;
  });
}

/** @throws {Error} When what a folder was made with is not recorded, or differs. */
async function checkRecord(run: Pick<Run, "folder" | "settings">, output: Output) {
  const path = `${run.folder}/${output}/made_with.json`;
  const before: Partial<Origin> = await readJson(path).catch((cause) => {
    throw new Error(`made_with.json does not say what it was made with: ${cause.message}`, {
      cause,
    });
  });
  const now = await recordOf(run, output);
  const changed = changedSettings(OUTPUTS[output].notebook, before.settings ?? {}, run.settings);
  if (changed.length > 0) {
    const shown = changed.map((name) =>
      `${name} ${JSON.stringify(before.settings?.[name])}, now ${
        JSON.stringify(now.settings[name])
      }`
    );
    throw new Error(`it was made with other settings (${shown.join("; ")})`);
  }
  if (before.input !== now.input) throw new Error("it was made of other data");
}

/**
 * Reads what a notebook wrote.
 *
 * @param notebook The notebook.
 * @param path Path of the file or folder.
 * @param read Reads it.
 * @throws {Error} When `read` fails; the message names the notebook to run.
 */
export async function fromNotebook<T>(
  notebook: Notebook,
  path: string,
  read: (path: string) => Promise<T>,
): Promise<T> {
  try {
    return await read(path);
  } catch (cause) {
    const end = path.split("/").slice(-3).join("/");
    throw new Error(
      `Cannot continue from ${end}: ${
        (cause as Error).message
      }. Run the notebook ${notebook} again`,
      { cause },
    );
  }
}
