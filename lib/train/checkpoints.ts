import type { TextModel } from "../model/classifier.ts";
import { lockFolder } from "../files.ts";
import { VERSION } from "../version.ts";
import { readRun, type Run, writeRun } from "./checkpoint.ts";
import {
  checkpointPath,
  checkpointSteps,
  faultOf,
  prepareFolder,
  removeFolder,
  versionOf,
  writeCheckpoint,
} from "./checkpoint_folder.ts";
import { changes, type Fingerprint, fingerprint } from "./fingerprint.ts";
import { largestOf } from "./finite.ts";
import type { TrainerOptions } from "./options.ts";

/** The checkpoints of a run. */
export interface Checkpoints {
  /** Folder for checkpoints; "" writes none. */
  outputDir: string;
  /** What to do about a loss that diverged. */
  readonly remedy: string;
  /**
   * Restores the run from the newest intact checkpoint. Newer ones that are damaged are reported by a warning and renamed.
   *
   * @returns Whether there was one.
   * @throws {Error} When all are damaged, or are of another run, or another process writes to the folder.
   */
  load(): Promise<boolean>;
  /** @throws {Error} When the folder cannot be written to, or holds checkpoints of later steps, or another process does. */
  prepare(): Promise<void>;
  /** What determines the run's numbers. */
  fingerprint(): Promise<Fingerprint>;
  /** Lets others write to the folder, which {@link Checkpoints.load} and {@link Checkpoints.prepare} forbid. */
  release(): void;
  /** Writes one if a multiple of `saveSteps` has been reached since the last; throws as {@link Checkpoints.save}. */
  saveWhenDue(): Promise<void>;
  /**
   * Writes one if the step has none, and removes those beyond `saveTotalLimit`.
   *
   * @throws {Error} When it cannot be written, or a weight is not finite; earlier ones are unchanged.
   */
  save(): Promise<void>;
}

/** Manages the checkpoints of a run as its options say. */
export function createCheckpoints(
  model: TextModel,
  options: Required<TrainerOptions>,
  run: Run,
): Checkpoints {
  const { acceptChanges, saveSteps, saveTotalLimit } = options;
  let saved = 0;
  let newest = "";
  let taken: Promise<Fingerprint> | undefined;
  let lock: Disposable | undefined;
  const pathOf = (step: number) => checkpointPath(checkpoints.outputDir, step);
  const cannotWrite = (path: string, error: Error) => {
    const { message } = (error.cause ?? error) as Error;
    return new Error(
      `Cannot write ${path}: ${message}. Make room there, or set the trainer's 'outputDir' to ` +
        `another folder, and call ${run.state.step ? "resume" : "train"}(): nothing is lost`,
      { cause: error },
    );
  };

  const hold = async (folder: string) => {
    lock ??= await lockFolder(folder).catch((error) => {
      throw error.code ? cannotWrite(folder, error) : error;
    });
  };

  const checkpoints: Checkpoints = {
    outputDir: options.outputDir,
    fingerprint: () => taken ??= fingerprint(model, options),
    release() {
      lock?.[Symbol.dispose]();
      lock = undefined;
    },
    get remedy() {
      if (!newest) return "Try a lower learningRate";
      return `The last checkpoint is ${newest}: resume from it in a new Trainer with a lower ` +
        "learningRate, resumeFromCheckpoint: true and acceptChanges: ['learningRate']; remove it " +
        "first if it is too late, to resume from the one before";
    },
    async load() {
      const damaged: [path: string, fault: string][] = [];
      const steps = await checkpointSteps(checkpoints.outputDir);
      if (steps.length) await hold(checkpoints.outputDir);
      for (const step of steps) {
        const path = pathOf(step);
        const fault = await faultOf(path);
        if (fault) {
          damaged.push([path, fault]);
          continue;
        }
        const written = JSON.parse(await Deno.readTextFile(`${path}/fingerprint.json`));
        checkSameRun(changes(written, await checkpoints.fingerprint(), acceptChanges), path);
        for (const [path, fault] of damaged) {
          console.warn(`${path} is damaged and moved to ${path}.damaged: ${fault}`);
          await Deno.remove(`${path}.damaged`, { recursive: true }).catch(() => {});
          await Deno.rename(path, `${path}.damaged`);
        }
        const version = await versionOf(path);
        if (version !== VERSION) {
          console.warn(
            `${path} was written by version ${version} of this library, which is ${VERSION}: the run ` +
              "may end with other numbers than it would have",
          );
        }
        await readRun(run, path);
        [saved, newest] = [step, path];
        return true;
      }
      if (!damaged.length) return false;
      throw new Error(
        `Cannot resume as ${checkpoints.outputDir} must hold an intact checkpoint, and all are ` +
          "damaged. Restore one, or remove the folder to start over" +
          damaged.map(([path, fault]) => `\n${path}: ${fault}`).join(""),
      );
    },
    async prepare() {
      if (!checkpoints.outputDir) return;
      await prepareFolder(checkpoints.outputDir, hold).catch((error) => {
        throw error.code ? cannotWrite(checkpoints.outputDir, error) : error;
      });
      const [step = 0] = await checkpointSteps(checkpoints.outputDir);
      if (step <= saved) return;
      throw new Error(
        `Cannot train from step ${run.state.step} as ${pathOf(step)} exists. Set ` +
          "'resumeFromCheckpoint' to resume from it, or 'outputDir' to another folder, or remove it",
      );
    },
    async saveWhenDue() {
      const rounds = (step: number) => Math.floor(step / saveSteps);
      if (rounds(run.state.step) > rounds(saved)) await checkpoints.save();
    },
    async save() {
      const { step } = run.state;
      if (!checkpoints.outputDir || step === saved) return;
      const { name, norm } = await largestOf(Object.fromEntries(run.trained));
      if (!Number.isFinite(norm)) {
        throw new Error(
          `Cannot save step ${step} as weights must be finite: the norm of '${name}' is ${norm}. ` +
            checkpoints.remedy,
        );
      }
      const path = pathOf(step);
      try {
        await writeCheckpoint(checkpoints.outputDir, step, async (folder) => {
          await writeRun(run, folder);
          const text = JSON.stringify(await checkpoints.fingerprint(), null, 2);
          await Deno.writeTextFile(`${folder}/fingerprint.json`, text);
        });
      } catch (error) {
        if (await faultOf(path)) throw cannotWrite(path, error as Error);
        console.warn(`${path} is whole, although the system said: ${(error as Error).message}`);
      }
      [saved, newest] = [step, path];
      try {
        const steps = await checkpointSteps(checkpoints.outputDir);
        const older = steps.filter((other) => other < step);
        for (const step of older.slice(saveTotalLimit - 1)) await removeFolder(pathOf(step));
      } catch (error) {
        throw cannotWrite(path, error as Error);
      }
    },
  };
  return checkpoints;
}

function checkSameRun(changed: string[], path: string) {
  if (!changed.length) return;
  const few = changed.slice(0, 5).join("; ");
  const more = changed.length > 5 ? ` (and ${changed.length - 5} more)` : "";
  throw new Error(
    `Cannot resume from ${path} as the run must be the one that wrote it: ${few}${more}. Give it ` +
      "the same values, or name what may differ in 'acceptChanges' (trained parameters may not), or " +
      "load the model again and remove the folder to start over",
  );
}
