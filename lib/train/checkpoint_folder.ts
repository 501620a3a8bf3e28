import { fileDigest, readJson, writeFolder } from "../files.ts";
import { VERSION } from "../version.ts";

/** The last file to be written; it has the hashes of the others, and the version of this library. */
const MANIFEST = "manifest.json";

/** What every checkpoint has beside it. */
const FILES = [
  "fingerprint.json",
  "optimizer.safetensors",
  "trainer_state.json",
  "weights.safetensors",
];

/**
 * The folder of a step's checkpoint.
 *
 * @param outputDir The folder for checkpoints.
 * @param step The step.
 * @returns Its path.
 */
export const checkpointPath = (outputDir: string, step: number): string =>
  `${outputDir}/checkpoint-${step}`;

/**
 * The steps that have a checkpoint.
 *
 * @param outputDir The folder for checkpoints.
 * @returns The newest first; none if there is no such folder.
 */
export async function checkpointSteps(outputDir: string): Promise<number[]> {
  const names = await namesIn(outputDir).catch((error) => {
    const { NotADirectory, NotFound } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) return [];
    throw error;
  });
  const steps = names.map((name) => name.match(/^checkpoint-(0|[1-9]\d*)$/)?.[1]);
  return steps.filter((step) => step !== undefined).map(Number).filter(Number.isSafeInteger).sort((
    a,
    b,
  ) => b - a);
}

/**
 * Creates the folder for checkpoints if needed, tests that it is writable, and removes what a killed process left
 * unfinished.
 *
 * @param outputDir The folder for checkpoints.
 * @param lock Called before anything in the folder changes.
 * @throws The system's own error when it cannot be written to, or what `lock` throws.
 */
export async function prepareFolder(
  outputDir: string,
  lock: (folder: string) => Promise<void>,
): Promise<void> {
  await Deno.mkdir(outputDir, { recursive: true });
  await lock(outputDir);
  const partial = (await namesIn(outputDir)).filter((name) =>
    /^checkpoint-\d+\.partial$/.test(name)
  );
  for (const name of partial) await Deno.remove(`${outputDir}/${name}`, { recursive: true });
  const probe = `${checkpointPath(outputDir, 0)}.partial`;
  await Deno.mkdir(probe);
  await Deno.remove(probe);
}

/**
 * Writes the checkpoint of a step with its manifest, whole or not at all.
 *
 * @param outputDir The folder for checkpoints, which must be there.
 * @param step The step.
 * @param write Fills the empty folder that it is given.
 * @throws {Error} When the system cannot write it, or `outputDir` no longer exists; the `cause` is the system's error.
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
    await Deno.writeTextFile(
      `${folder}/${MANIFEST}`,
      JSON.stringify({ version: VERSION, sha256 }, null, 2) + "\n",
    );
  }, /(?:)/);
}

/**
 * Removes a checkpoint; a process killed meanwhile leaves no part of it under its name.
 *
 * @param path Its folder.
 */
export async function removeFolder(path: string): Promise<void> {
  await Deno.rename(path, `${path}.partial`);
  await Deno.remove(`${path}.partial`, { recursive: true });
}

/**
 * Compares a checkpoint with its manifest.
 *
 * @param path Its folder.
 * @returns What is wrong, if anything.
 */
export async function faultOf(path: string): Promise<string | undefined> {
  try {
    const { sha256 } = await readJson(`${path}/${MANIFEST}`);
    if (typeof sha256 !== "object" || !sha256) return `${MANIFEST} lists no files`;
    const listed = Object.entries(sha256);
    const missing = FILES.find((name) => !Object.hasOwn(sha256, name));
    if (missing) return `${MANIFEST} does not list ${missing}`;
    // Systems leave hidden files of their own.
    const names = (await namesIn(path)).filter((name) => name !== MANIFEST && !/^\./.test(name));
    const extra = names.find((name) => !Object.hasOwn(sha256, name));
    if (extra) return `${MANIFEST} does not list ${extra}`;
    for (const [name, expected] of listed) {
      if (!names.includes(name)) return `${name} is missing`;
      const digest = await fileDigest(`${path}/${name}`, "sha256");
      if (digest !== expected) return `${name} is not as it was written`;
    }
  } catch (error) {
    return (error as Error).message;
  }
}

/**
 * The version of this library that wrote an intact checkpoint.
 *
 * @param path Its folder.
 * @returns The version, or "before 0.3.0", as those did not say theirs.
 */
export async function versionOf(path: string): Promise<string> {
  const { version } = await readJson(`${path}/${MANIFEST}`);
  return typeof version === "string" ? version : "before 0.3.0";
}

const namesIn = (folder: string) => Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
