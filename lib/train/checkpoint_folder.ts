import { fileDigest, writeFolder } from "../files.ts";

/** The last file to be written; it holds the hash of each of the others. */
const MANIFEST = "manifest.json";

/** Where the checkpoint of a step stands. */
export const checkpointPath = (outputDir: string, step: number) =>
  `${outputDir}/checkpoint-${step}`;

/** Steps that have a checkpoint in a folder, the newest first; none where there is no such folder. */
export async function checkpointSteps(outputDir: string): Promise<number[]> {
  const names = await namesIn(outputDir).catch((error) => {
    const { NotADirectory, NotFound } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) return [];
    throw error;
  });
  const steps = names.map((name) => name.match(/^checkpoint-(\d+)$/)?.[1]);
  return steps.filter((step) => step !== undefined).map(Number).sort((a, b) => b - a);
}

/**
 * Makes the folder for checkpoints where there is none, sees whether it can be written to, and takes away what a killed
 * process had not finished.
 */
export async function prepareFolder(outputDir: string): Promise<void> {
  await Deno.mkdir(outputDir, { recursive: true });
  const partial = (await namesIn(outputDir)).filter((name) =>
    /^checkpoint-\d+\.partial$/.test(name)
  );
  for (const name of partial) await Deno.remove(`${outputDir}/${name}`, { recursive: true });
  const probe = `${checkpointPath(outputDir, 0)}.partial`;
  await Deno.mkdir(probe);
  await Deno.remove(probe);
}

/**
 * Writes the folder of a step, whole or not at all, and the manifest in it.
 *
 * @param write Fills the empty folder that it is given.
 * @throws {Error} When the system cannot write it, or `outputDir` is gone; the `cause` is the system's error.
 */
export async function writeCheckpoint(
  outputDir: string,
  step: number,
  write: (folder: string) => Promise<void>,
): Promise<void> {
  await Deno.stat(outputDir);
  await writeFolder(checkpointPath(outputDir, step), async (folder) => {
    await write(folder);
    const sha256: Record<string, string> = {};
    for (const name of await namesIn(folder)) {
      sha256[name] = await fileDigest(`${folder}/${name}`, "sha256");
    }
    await Deno.writeTextFile(`${folder}/${MANIFEST}`, JSON.stringify({ sha256 }, null, 2) + "\n");
  }, /(?:)/);
}

/** Removes a folder of {@link writeCheckpoint}; a process killed meanwhile leaves no half of it under its name. */
export async function removeFolder(path: string): Promise<void> {
  await Deno.rename(path, `${path}.partial`);
  await Deno.remove(`${path}.partial`, { recursive: true });
}

/** What is wrong with a folder of {@link writeCheckpoint}; nothing if it is as it was written. */
export async function faultOf(path: string): Promise<string | undefined> {
  try {
    const { sha256 } = JSON.parse(await Deno.readTextFile(`${path}/${MANIFEST}`));
    for (const [name, expected] of Object.entries(sha256)) {
      const digest = await fileDigest(`${path}/${name}`, "sha256");
      if (digest !== expected) return `${name} is not as it was written`;
    }
  } catch (error) {
    return (error as Error).message;
  }
}

const namesIn = (folder: string) => Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
