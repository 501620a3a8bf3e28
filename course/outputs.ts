/**
 * The path of a file or folder that an earlier notebook leaves in its run.
 *
 * @throws {Error} When it is not there; the message names the notebook to run first.
 *
 * @example
 * ```ts ignore
 * const model = await loadClassifier(await leftBy("03-full-finetune", `${run.folder}/full/model`));
 * ```
 */
export async function leftBy(notebook: string, path: string): Promise<string> {
  try {
    await Deno.stat(path);
    return path;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    const file = path.split("/").slice(-3).join("/");
    throw new Error(
      `Cannot go on as ${file} is missing: run the notebook ${notebook} with the same PROFILE first`,
      { cause: error },
    );
  }
}
