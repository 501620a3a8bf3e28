import { parse as parseYaml } from "yaml";
import { checkOptions, type PartsSource } from "lightweight-finetuning";
import type { Notebook } from "./outputs.ts";
import { nameOfData, profile } from "./profiles.ts";

/** What a user may set of a run. What is undefined is left to the profile, the data or the model. */
export interface Settings {
  /** The profile that decides all else: `sample`, `quick` or `seed`. */
  profile: string;
  /** A file of texts and their classes, a file for each part, or a repository of the Hub. */
  data: string | PartsSource;
  /** A configuration, where the repository has several. */
  dataConfig: string | undefined;
  /** The column of the texts, or several. */
  textColumns: string | string[] | undefined;
  /** The column of the classes. */
  labelColumn: string | undefined;
  /** Whether rows without a text or class are left out. */
  skipIncomplete: boolean;
  /** Rows to train on: a number, or a share of all. */
  trainRows: number | undefined;
  /** Rows to evaluate on while training, likewise. */
  evaluationRows: number | undefined;
  /** Rows to test on at the end, likewise. */
  testRows: number | undefined;
  /** The base model's name on the Hub, or a folder. */
  model: string;
  /** Passes over the training rows. */
  numTrainEpochs: number;
  /** Rows of a step. */
  perDeviceTrainBatchSize: number;
  /** The adapter's learning rate. */
  learningRate: number;
  /** The learning rate of full fine-tuning. */
  fullLearningRate: number;
  /** How much a row of each class counts: "balanced", or a number for each. */
  classWeights: "balanced" | number[] | undefined;
  /** Whether training computes products in bfloat16. */
  bf16: boolean | undefined;
  /** Rank of the adapter. */
  r: number;
  /** The adapter is scaled by loraAlpha / r. */
  loraAlpha: number;
  /** Dropout on the adapter's input. */
  loraDropout: number;
  /** The layers that get an adapter. */
  targetModules: string | string[] | undefined;
  /** Seed of the rows' order, dropout and first values. */
  seed: number;
}

interface Setting {
  meaning: string;
  isValid(value: unknown): boolean;
  /** The value of a text that is not itself one. */
  read(text: string): unknown;
  /** The notebooks whose files depend on it. */
  notebooks: readonly Notebook[];
}

const isText = (value: unknown) => typeof value === "string" && value !== "";
const isNumber = (value: unknown, least: number, below = Infinity) =>
  typeof value === "number" && value >= least && value < below;
const isCount = (value: unknown) => Number.isSafeInteger(value) && Number(value) > 0;
const optional = (isValid: (value: unknown) => boolean) => (value: unknown) =>
  value === undefined || isValid(value);
const texts = (text: string) => text.split(",").map((part) => part.trim());

const text = { meaning: "a text", isValid: isText, read: (text: string) => text };
const names = {
  meaning: "a name, or several",
  isValid: optional((value) =>
    Array.isArray(value)
      ? value.length > 0 && value.every(isText)
      : isText(value) && !`${value}`.includes(",")
  ),
  read: texts,
};
const rows = {
  meaning: "a number of rows above 0, or a share below 1",
  isValid: optional((value) => isCount(value) || isNumber(value, Number.MIN_VALUE, 1)),
  read: Number,
};
const flag = {
  meaning: "true or false",
  isValid: (value: unknown) => typeof value === "boolean",
  read: (text: string) => ({ true: true, false: false })[text.toLowerCase()],
};
const count = { meaning: "a whole number above 0", isValid: isCount, read: Number };
const positive = {
  meaning: "a number above 0",
  isValid: (value: unknown) => isNumber(value, Number.MIN_VALUE),
  read: Number,
};

const ALL = ["01-load", "02-tokenize", "03-full-finetune", "04-lora-finetune"] as const;
const training = { notebooks: ALL.slice(2) };
const full = { notebooks: ALL.slice(2, 3) };
const lora = { notebooks: ALL.slice(3) };

const SETTINGS: Record<keyof Settings, Setting> = {
  profile: { ...text, notebooks: ALL },
  data: {
    meaning: "a file, a repository's name, or files by part: { train, evaluation, test }",
    isValid: (value) => isText(value) || isText((value as PartsSource)?.train),
    read: (text) => text,
    notebooks: ALL,
  },
  dataConfig: { ...text, isValid: optional(isText), notebooks: ALL },
  textColumns: { ...names, notebooks: ALL },
  labelColumn: { ...text, isValid: optional(isText), notebooks: ALL },
  skipIncomplete: { ...flag, notebooks: ALL },
  trainRows: { ...rows, notebooks: ALL },
  evaluationRows: { ...rows, notebooks: ALL },
  testRows: { ...rows, notebooks: ALL },
  model: { ...text, notebooks: ALL.slice(1) },
  numTrainEpochs: { ...positive, ...training },
  perDeviceTrainBatchSize: { ...count, ...training },
  learningRate: { ...positive, ...lora },
  fullLearningRate: { ...positive, ...full },
  classWeights: {
    meaning: '"balanced", or a number for each class',
    isValid: optional((value) =>
      value === "balanced" || Array.isArray(value) && value.every((x) => isNumber(x, 0))
    ),
    read: (text) => text === "balanced" ? text : texts(text).map(Number),
    ...training,
  },
  bf16: { ...flag, isValid: optional(flag.isValid), ...training },
  r: { ...count, ...lora },
  loraAlpha: { ...positive, ...lora },
  loraDropout: {
    meaning: "a number from 0 to below 1",
    isValid: (value) => isNumber(value, 0, 1),
    read: Number,
    ...lora,
  },
  targetModules: { ...names, ...lora },
  seed: {
    meaning: "a whole number, at least 0",
    isValid: (value) => Number.isSafeInteger(value) && Number(value) >= 0,
    read: Number,
    notebooks: ALL,
  },
};

/** The settings' names. */
export const SETTING_NAMES = Object.keys(SETTINGS) as (keyof Settings)[];

/**
 * The name of a setting's environment variable: LEARNING_RATE for `learningRate`.
 *
 * @param name The setting's name.
 */
export const variableOf = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

/**
 * The settings of a run that nobody has changed: the profile's, then those of the file that the environment variable
 * SETTINGS names (YAML or JSON, by the settings' names), then those of the environment (`LEARNING_RATE=3e-4`).
 *
 * @param name The profile. @default {the environment variable PROFILE, the file's, or "sample"}
 * @throws {TypeError} When the file has a setting that does not exist; the message names the nearest.
 * @throws {RangeError} When there is no such profile, or a value is out of its range.
 * @throws {Error} When the file cannot be read.
 *
 * @example
 * ```ts
 * import { defaultSettings } from "course";
 * const { learningRate, r } = defaultSettings("quick");
 * ```
 */
export function defaultSettings(name?: string): Settings {
  const file = fromFile(Deno.env.get("SETTINGS"));
  const base = profile(name ?? (Deno.env.get("PROFILE") || file.profile || "sample"));
  const own: Settings = {
    profile: base.name,
    ...{ data: nameOfData(base.dataset), dataConfig: undefined },
    ...{ textColumns: undefined, labelColumn: undefined, skipIncomplete: false },
    ...{ trainRows: undefined, evaluationRows: undefined, testRows: undefined },
    model: base.modelName,
    numTrainEpochs: base.adapter.numTrainEpochs ?? 3,
    perDeviceTrainBatchSize: base.adapter.perDeviceTrainBatchSize ?? 8,
    learningRate: base.adapter.learningRate ?? 5e-5,
    fullLearningRate: base.full.learningRate ?? 5e-5,
    classWeights: undefined,
    bf16: base.adapter.bf16,
    ...{ r: base.lora.r ?? 8, loraAlpha: base.lora.loraAlpha ?? 8 },
    ...{ loraDropout: base.lora.loraDropout ?? 0, targetModules: undefined },
    seed: base.seed,
  };
  return checkSettings({ ...own, ...file, ...fromEnvironment(), profile: base.name });
}

/** The settings in a YAML file, of which JSON is a kind. */
function fromFile(path: string | undefined): Partial<Settings> {
  if (!path) return {};
  try {
    const found = parseYaml(Deno.readTextFileSync(path)) ?? {};
    if (typeof found !== "object" || Array.isArray(found)) {
      throw new TypeError(`its content is ${JSON.stringify(found).slice(0, 60)}`);
    }
    checkOptions(`use the settings in ${path}`, found, SETTINGS);
    return withoutNulls(found);
  } catch (cause) {
    const { message } = cause as Error;
    if (message.startsWith("Cannot use")) throw cause;
    throw new Error(
      `Cannot use the settings in ${path} as it must be a file of YAML or JSON such as "r: 16": ` +
        message.split("\n")[0]!.replace(/[:.]$/, ""),
      { cause },
    );
  }
}

function fromEnvironment(): Partial<Settings> {
  const given = SETTING_NAMES.flatMap((name) => {
    const value = name !== "profile" && Deno.env.get(variableOf(name));
    return value ? [[name, value]] : [];
  });
  return Object.fromEntries(given);
}

const withoutNulls = (object: object) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== null));

/**
 * Checks settings, of which some may still be texts, as the environment and papermill give them.
 *
 * @param settings All settings.
 * @returns The settings, each of its own type.
 * @throws {TypeError} When there is a setting that does not exist; the message names the nearest.
 * @throws {RangeError} When a value is out of its range.
 */
export function checkSettings(settings: Settings): Settings {
  checkOptions("use the settings", settings, SETTINGS);
  const checked = Object.entries(SETTINGS).map(([name, { meaning, isValid, read }]) => {
    const given: unknown = settings[name as keyof Settings] ?? undefined;
    const value = typeof given === "string" && !isValid(given) ? read(given) : given;
    if (isValid(value)) return [name, value];
    throw new RangeError(
      `Cannot use the settings as '${name}' must be ${meaning}: current value is ` +
        JSON.stringify(given),
    );
  });
  return Object.fromEntries(checked);
}

/**
 * Refuses names that were given to a command as settings, but are none.
 *
 * @param variables Names of environment variables. @default {those on make's command line, which its Makefile puts into GIVEN}
 * @throws {TypeError} When one is unknown; the message names the nearest.
 */
export function checkVariables(
  variables: string[] = (Deno.env.get("GIVEN") ?? "").split(" ").filter(Boolean),
): void {
  const known = [...SETTING_NAMES.map(variableOf), "RUN", "RUNS", "SETTINGS", "TEXT", "PYTHON"];
  const ours = variables.filter((name) => !OTHERS.test(name));
  const given = Object.fromEntries(ours.map((name) => [name, true]));
  checkOptions("run", given, Object.fromEntries(known.map((name) => [name, true])));
}

/** Variables that other programs read. */
const OTHERS =
  /^((HF|HUGGING|DENO|PIP|CUDA|NVIDIA|TF|OMP|HTTPS?|ALL|NO|SSL|XDG|JUPYTER|NATIVE|NPM)_|CC$|CXX$)/i;

/**
 * The settings that differ and on which a notebook's files depend.
 *
 * @param notebook The notebook.
 * @param before Those with which it was run.
 * @param now Those of the run.
 */
export function changedSettings(
  notebook: Notebook,
  before: Partial<Settings>,
  now: Settings,
): (keyof Settings)[] {
  const differs = (name: keyof Settings) =>
    JSON.stringify(before[name]) !== JSON.stringify(now[name]);
  return SETTING_NAMES.filter((name) =>
    SETTINGS[name].notebooks.includes(notebook) && differs(name)
  );
}
