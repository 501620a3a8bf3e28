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

/**
 * Checks that a file or folder of an earlier notebook exists.
 *
 * @param notebook The notebook that writes it.
 * @param path Path of the file or folder.
 * @returns The path.
 * @throws {Error} When it is missing; the message names the notebook to run.
 *
 * @example
 * ```ts ignore
 * import { outputOf, profile } from "course";
 * const run = profile("sample");
 * const folder = await outputOf("03-full-finetune", `${run.folder}/full/model`);
 * ```
 */
export async function outputOf(notebook: Notebook, path: string): Promise<string>;
/**
 * Reads a file or folder of an earlier notebook.
 *
 * @param notebook The notebook that writes it.
 * @param path Path of the file or folder.
 * @param read Reads it.
 * @returns What `read` returns.
 * @throws {Error} When `read` fails; the message names the notebook to run.
 *
 * @example
 * ```ts ignore
 * import { outputOf, profile } from "course";
 * import { openDataset } from "lightweight-finetuning";
 * const run = profile("sample");
 * const tokens = await outputOf("02-tokenize", `${run.folder}/tokens`, openDataset);
 * ```
 */
export async function outputOf<T>(
  notebook: Notebook,
  path: string,
  read: (path: string) => Promise<T>,
): Promise<T>;
export async function outputOf(
  notebook: Notebook,
  path: string,
  read: (path: string) => Promise<unknown> = (path) => Deno.stat(path).then(() => path),
): Promise<unknown> {
  try {
    return await read(path);
  } catch (cause) {
    const end = path.split("/").slice(-3).join("/");
    throw new Error(
      `Cannot continue from ${end}: ${
        (cause as Error).message
      }. Run the notebook ${notebook} again ` +
        "with the same PROFILE",
      { cause },
    );
  }
}
