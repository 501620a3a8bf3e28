import { basename, join, resolve } from "node:path";
import { closest, distance } from "fastest-levenshtein";
import {
  type Dataset,
  type DatasetSource,
  type HubOptions,
  loadDataset,
  type PartsSource,
} from "lightweight-finetuning";
import { TABLE_FILE } from "../lib/dataset/read.ts";
import { isFile, readJson, writeFile } from "../lib/files.ts";
import type { BaseModel } from "./base_model.ts";
import { fromNotebook } from "./outputs.ts";
import {
  nameOfData,
  type Profile,
  profile,
  ROOT,
  runFolder,
  type TrainingNumbers,
} from "./profiles.ts";
import { checkSettings, SETTING_NAMES, type Settings, variableOf } from "./settings.ts";

/** A profile with what a user has set. */
export interface Run extends Profile {
  /** All settings of the run. */
  settings: Settings;
}

/**
 * The run's name, and that of its folder: the environment variable RUN; or the name of the file or repository in DATA, or
 * of the file in SETTINGS, without what follows a dot; or PROFILE.
 */
export function runName(): string {
  const stem = (path: string) =>
    basename(path).replace(/(?<=.)\..*$/, "").replace(/[^\p{L}\p{N}_-]+/gu, "-");
  const { RUN, DATA, SETTINGS, PROFILE } = Deno.env.toObject();
  return [RUN, DATA, SETTINGS, PROFILE].map((text) => stem(text ?? "")).find(Boolean) ?? "sample";
}

/**
 * Begins a run: finds its data and writes its settings, which the notebooks after the first follow.
 *
 * @param settings All settings; some may be texts, as papermill gives them.
 * @throws {TypeError} When there is a setting that does not exist; the message names the nearest.
 * @throws {RangeError} When a value is out of its range, or the data's file is not found.
 *
 * @example
 * ```ts ignore
 * import { beginRun, defaultSettings } from "course";
 * const run = await beginRun({ ...defaultSettings(), data: "reviews.csv", r: 16 });
 * ```
 */
export async function beginRun(settings: Settings): Promise<Run> {
  const run = await runOf(await findSettings(settings));
  await writeFile(`${run.folder}/settings.json`, JSON.stringify(run.settings, null, 2) + "\n");
  return run;
}

/**
 * Checks settings, and finds the files of their data: where the command or notebook runs, in the project's folder, and in
 * its notebooks/ and data/.
 *
 * @param settings As {@link beginRun} takes them.
 * @returns The settings, each of its own type, the files' paths starting from the project's folder.
 * @throws What {@link beginRun} throws.
 */
export async function findSettings(settings: Settings): Promise<Settings> {
  const checked = checkSettings(settings);
  const { data } = checked;
  return {
    ...checked,
    data: typeof data === "string" ? await findData(data) : await withFiles(data, findFile),
  };
}

/** The parts with another path of each file. */
async function withFiles(
  parts: PartsSource,
  change: (path: string) => string | Promise<string>,
): Promise<PartsSource> {
  const files = (["train", "evaluation", "test"] as const).flatMap((part) => {
    const file = parts[part];
    return file === undefined ? [] : [{ part, file }];
  });
  const changed = files.map(async ({ part, file }) => [part, await change(file)]);
  return { ...parts, ...Object.fromEntries(await Promise.all(changed)) };
}

/**
 * Opens the run that notebook 1 has begun.
 *
 * @param name The run's name. @default {@link runName}
 * @throws {Error} When it has not; the message names the notebook.
 *
 * @example
 * ```ts ignore
 * import { openRun } from "course";
 * const { folder, settings } = await openRun("quick");
 * ```
 */
export async function openRun(name: string = runName()): Promise<Run> {
  return await fromNotebook("01-load", `${runFolder(name)}/settings.json`, async (path) => {
    return await runOf(checkSettings(await readJson(path) as unknown as Settings), name);
  });
}

async function runOf(settings: Settings, name: string = runName()): Promise<Run> {
  const base = profile(settings.profile);
  const isOwnData = settings.data !== nameOfData(base.dataset) || settings.dataConfig !== undefined;
  const isOwnModel = settings.model !== base.modelName;
  const training = (numbers: TrainingNumbers, learningRate: number): TrainingNumbers => ({
    ...numbers,
    ...isOwnData && { evalSteps: 0.1, saveSteps: 0.1 }, // the profile's suit its number of rows
    learningRate,
    numTrainEpochs: settings.numTrainEpochs,
    perDeviceTrainBatchSize: settings.perDeviceTrainBatchSize,
    ...defined({ classWeights: settings.classWeights, bf16: settings.bf16 }),
  });
  const { targetModules, ...lora } = base.lora;
  const { r, loraAlpha, loraDropout, seed } = settings;
  return {
    name,
    folder: runFolder(name),
    settings,
    modelName: settings.model,
    model: isOwnModel ? await findModel(settings.model) : base.model,
    dataset: isOwnData ? await sourceOf(settings) : base.dataset,
    rows: {
      ...!isOwnData && base.rows,
      ...defined({
        trainRows: settings.trainRows,
        evaluationRows: settings.evaluationRows,
        testRows: settings.testRows,
        textColumns: settings.textColumns,
        labelColumn: settings.labelColumn,
        skipIncomplete: settings.skipIncomplete,
      }),
    },
    seed,
    lora: {
      ...lora,
      ...{ r, loraAlpha, loraDropout },
      ...defined({
        targetModules: settings.targetModules ?? (isOwnModel ? undefined : targetModules),
      }),
    },
    full: training(base.full, settings.fullLearningRate),
    adapter: training(base.adapter, settings.learningRate),
  };
}

/**
 * Loads a run's data.
 *
 * @param run The run.
 * @param options How to reach the Hub.
 * @throws What {@link loadDataset} throws; the message says where those of its options are set that it names.
 *
 * @example
 * ```ts ignore
 * import { loadRunData, openRun } from "course";
 * const { labels, train } = await loadRunData(await openRun());
 * ```
 */
export async function loadRunData(run: Run, options: HubOptions = {}): Promise<Dataset> {
  try {
    return await loadDataset(run.dataset, { ...run.rows, seed: run.seed, ...options });
  } catch (error) {
    if (error instanceof Error) error.message += whereToSet(error.message);
    throw error;
  }
}

/** The texts in a piece of JSON, with commas between; "…" where it is none. */
function listOf(json: string): string {
  try {
    return [JSON.parse(json)].flat().join(",");
  } catch {
    return "…";
  }
}

/** How the options that a message names are set here, with the values that it proposes. */
function whereToSet(message: string): string {
  const named = SETTING_NAMES.filter((name) => /[A-Z]/.test(name)) // others are words of any message
    .filter((name) => new RegExp(`\\b${name}\\b`).test(message));
  if (named.length === 0) return "";
  const proposed = named.map((name) => {
    const value = message.match(
      new RegExp(`\\b${name}: ("(?:[^"\\\\]|\\\\.)*"|\\[[^\\]]*\\]|true)`),
    )?.[1];
    const text = value ? listOf(value) : "…";
    const quoted = /[^\p{L}\p{N}_.,…-]/u.test(text) ? `'${text.replaceAll("'", `'\\''`)}'` : text;
    return { line: `let ${name} = ${value ?? "…"};`, variable: `${variableOf(name)}=${quoted}` };
  });
  return `\nIn the settings cell of notebook 1 that is: ${
    proposed.map(({ line }) => line).join(" ")
  }` +
    `\nOr add to make run: ${proposed.map(({ variable }) => variable).join(" ")}`;
}

const defined = <T extends object>(options: T) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]: Exclude<T[Name], undefined>;
  };

async function sourceOf({ data, dataConfig }: Settings): Promise<DatasetSource> {
  if (typeof data !== "string") return await withFiles(data, (path) => resolve(ROOT, path));
  if (await isFile(resolve(ROOT, data))) return { file: resolve(ROOT, data) };
  return { hub: data, ...dataConfig !== undefined && { config: dataConfig } };
}

/** Where a file of that name is looked for: where the command or notebook runs, and where JupyterLab uploads to. */
const places = () => [
  ...new Set([Deno.cwd(), ROOT, `${ROOT}notebooks`, `${ROOT}data`].map((path) => resolve(path))),
];

/** The file's path or, if there is none of that name, the name of a repository. */
async function findData(name: string): Promise<string> {
  const isRepository = /^[\w.-]+\/[\w.-]+$/.test(name) && !TABLE_FILE.test(name);
  return await findFile(name).catch((error) => {
    if (isRepository) return name;
    throw error;
  });
}

async function findFile(name: string): Promise<string> {
  const paths = [...new Set(places().map((folder) => resolve(folder, name)))];
  for (const path of paths) if (await isFile(path)) return nameOfData({ file: path });
  const files = places().flatMap((folder) =>
    Array.from(Deno.readDirSync(folder), ({ name }) => ({ folder, name }))
  ).filter(({ name }) => TABLE_FILE.test(name));
  const wrong = basename(name);
  const near = files.find((file) => file.name === closest(wrong, files.map(({ name }) => name)));
  const remedy = near && distance(wrong, near.name) <= wrong.length / 3
    ? `Did you mean '${nameOfData({ file: join(near.folder, near.name) })}'?`
    : "Put the file there, or write its whole path";
  throw new RangeError(
    "Cannot use the settings as 'data' must be a file, or a repository of the Hub " +
      `(organisation/name): current value is ${JSON.stringify(name)}, and there is no ` +
      `${paths.join(" or ")}. ${remedy}`,
  );
}

/** A folder that holds a model, or a repository. */
async function findModel(name: string): Promise<BaseModel> {
  for (const place of places()) {
    const folder = resolve(place, name);
    if (await isFile(`${folder}/config.json`)) return { folder };
  }
  return { hub: name };
}
