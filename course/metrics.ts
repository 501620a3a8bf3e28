import {
  type Device,
  type Evaluation,
  type TrainResult,
  wilsonInterval,
} from "lightweight-finetuning";
import { palette } from "lightweight-finetuning/display";
import { writeFile } from "../lib/files.ts";
import { fromNotebook, type Notebook, outputOf, recordOutput } from "./outputs.ts";
import type { Run } from "./run.ts";
import type { Settings } from "./settings.ts";

/** One of the methods that a run compares. */
export interface MethodInfo {
  /** Its name in tables and charts. */
  name: string;
  /** Its colour in all charts. */
  colour: string;
  /** The notebook that trains with it. @default {none: the model is not trained} */
  notebook?: Notebook;
  /** Where that notebook writes, within the run's folder. */
  folder?: string;
}

/** The methods by their keys in metrics.json, in the order in which tables and charts show them. */
export const METHODS = {
  base: { name: "untouched", colour: palette[4]! },
  lora4bit: {
    name: "LoRA on 4 bits",
    colour: palette[2]!,
    notebook: "04-lora-finetune",
    folder: "lora-4bit",
  },
  lora: { name: "LoRA", colour: palette[0]!, notebook: "04-lora-finetune", folder: "lora" },
  full: {
    name: "full fine-tuning",
    colour: palette[1]!,
    notebook: "03-full-finetune",
    folder: "full",
  },
} as const satisfies Record<string, MethodInfo>;

/** The methods' colours by their names, as charts take them. */
export const COLOURS: Record<string, string> = Object.fromEntries(
  Object.values(METHODS).map(({ name, colour }) => [name, colour]),
);

/** A method's key. */
export type Method = keyof typeof METHODS;

/** The keys of {@link METHODS}, in their order. */
export const METHOD_KEYS = Object.keys(METHODS) as Method[];

/** The methods that train. */
export type TrainedMethod = Exclude<Method, "base">;

/** A value for each method; a run may lack some. */
export type ByMethod<T> = Partial<Record<Method, T>>;

/** What training returned, and what it took. */
export interface Training extends TrainResult {
  /** The most memory of the process while it trained, in bytes. @default {not measured} */
  peakMemory?: number | undefined;
}

/** The content of metrics.json. */
export interface RunMetrics {
  /** The run's name: the profile's, unless it has one of its own. */
  profile: string;
  /** The device and TensorFlow's version. */
  device: string;
  /** Year-month-day. */
  date: string;
  /** All settings. @default {not recorded, before 0.4} */
  settings?: Settings;
  /** The base model's name on the Hub. */
  model: string;
  /** Number of test rows. */
  testRows: number;
  /** Share of the test rows classified correctly, 0 to 1. */
  accuracy: ByMethod<number>;
  /** Mean cross-entropy on the test rows. */
  loss: ByMethod<number>;
  /** The 95 % interval of each accuracy. */
  intervals: ByMethod<[low: number, high: number]>;
  /** How many weights were trained. */
  trainableParameters: ByMethod<number>;
  /** The largest change of a logit when the adapter was merged. @default {not measured} */
  mergedChange?: number;
  /** What the trainer returned. */
  train: ByMethod<Training>;
}

/** What a run measured for one method. */
export interface MethodResult {
  /** Metrics on the test rows. */
  evaluation: Pick<Evaluation, "accuracy" | "loss">;
  /** How many weights were trained. @default {none} */
  trainableParameters?: number;
  /** What the trainer returned. @default {the model was not trained} */
  train?: Training;
}

/**
 * Assembles the metrics of a run, dated today.
 *
 * @param run The run.
 * @param device Where it ran.
 * @param testRows Number of test rows.
 * @param results What was measured for each method.
 * @returns What {@link writeMetrics} writes.
 */
export function buildMetrics(
  run: Pick<Run, "name" | "settings" | "modelName">,
  device: Pick<Device, "toString">,
  testRows: number,
  results: ByMethod<MethodResult>,
): RunMetrics {
  const byMethod = <T>(value: (result: MethodResult) => T | undefined): ByMethod<T> =>
    Object.fromEntries(METHOD_KEYS.flatMap((method) => {
      const result = results[method];
      const found = result && value(result);
      return found === undefined ? [] : [[method, found]];
    }));
  return {
    profile: run.name,
    device: String(device),
    date: new Date().toISOString().slice(0, 10),
    settings: run.settings,
    model: run.modelName,
    testRows,
    accuracy: byMethod(({ evaluation }) => evaluation.accuracy),
    loss: byMethod(({ evaluation }) => evaluation.loss),
    intervals: byMethod(({ evaluation }) => wilsonInterval(evaluation.accuracy, testRows)),
    trainableParameters: byMethod(({ trainableParameters }) => trainableParameters),
    train: byMethod(({ train }) => train),
  };
}

/**
 * Writes metrics.json; a kill leaves either the old file or the new one.
 *
 * @param path Path of the file.
 * @param metrics What to write.
 */
export function writeMetrics(path: string, metrics: RunMetrics): Promise<void> {
  return writeJson(path, metrics);
}

const writeJson = (path: string, value: unknown) =>
  writeFile(path, JSON.stringify(value, null, 2) + "\n");

const readJson = async (path: string) => JSON.parse(await Deno.readTextFile(path));

/**
 * Reads metrics.json.
 *
 * @param path Path of the file.
 * @returns What the run measured.
 * @throws {Error} When it is missing or is not what {@link writeMetrics} writes; the message says
 * what is wrong, and names the notebook to run again.
 *
 * @example
 * ```ts ignore
 * import { profile, readMetrics } from "course";
 * const run = profile("sample");
 * const { accuracy } = await readMetrics(`${run.folder}/metrics.json`);
 * ```
 */
export function readMetrics(path: string): Promise<RunMetrics> {
  return fromNotebook("05-evaluate", path, async () => {
    const metrics = await readJson(path);
    for (const [name, [meaning, isValid]] of Object.entries(SCHEMA)) {
      const value = metrics?.[name];
      if (isValid(value)) continue;
      throw new TypeError(
        `Cannot read ${path} as '${name}' must be ${meaning}: current value is ` +
          `${JSON.stringify(value)?.slice(0, 100)}`,
      );
    }
    return metrics;
  });
}

const resultPath = (method: TrainedMethod) => `${METHODS[method].folder}/result.json`;

/**
 * Writes what a trainer returned to the method's result.json, and records with which settings.
 *
 * @param run The run.
 * @param method The method that was trained.
 * @param result What the trainer returned.
 */
export async function writeResult(
  run: Pick<Run, "folder" | "settings">,
  method: TrainedMethod,
  result: Training,
): Promise<void> {
  await writeJson(`${run.folder}/${resultPath(method)}`, result);
  await recordOutput(run, METHODS[method].folder);
}

/**
 * Reads what {@link writeResult} wrote.
 *
 * @param run The run.
 * @param method The method that was trained.
 * @returns What the trainer returned.
 * @throws {Error} When it is missing or incomplete, or of other settings; the message names the notebook to run again.
 */
export function readResult(
  run: Pick<Run, "folder" | "settings">,
  method: TrainedMethod,
): Promise<Training> {
  return outputOf<Training>(run, resultPath(method), readJson);
}

type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string";
const isNumber: Check = Number.isFinite;
const isInterval: Check = (value) =>
  Array.isArray(value) && value.length === 2 && value.every(isNumber);

/** Whether the object has these properties, each of which passes the check. */
const has = (value: unknown, names: string[], check: Check): boolean =>
  typeof value === "object" && value !== null &&
  names.every((name) => check((value as Record<string, unknown>)[name]));

const ofEachMethod = (check: Check): Check => (value) =>
  has(value, METHOD_KEYS, (of) => of === undefined || check(of));

const FIGURES = ["trainRuntime", "trainSamplesPerSecond", "trainLoss", "epoch", "step"];

const SCHEMA: Record<keyof RunMetrics, [meaning: string, isValid: Check]> = {
  profile: ["a text", isText],
  device: ["a text", isText],
  date: ["a text", isText],
  settings: ["an object, or absent", (value) => value === undefined || has(value, [], isText)],
  model: ["a text", isText],
  testRows: ["a number", isNumber],
  accuracy: ["a number by method", ofEachMethod(isNumber)],
  loss: ["a number by method", ofEachMethod(isNumber)],
  intervals: ["two numbers by method", ofEachMethod(isInterval)],
  trainableParameters: ["a number by method", ofEachMethod(isNumber)],
  mergedChange: ["a number, or absent", (value) => value === undefined || isNumber(value)],
  train: [`${FIGURES.join(", ")} by method`, ofEachMethod((of) => has(of, FIGURES, isNumber))],
};
