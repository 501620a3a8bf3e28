import * as tf from "@tensorflow/tfjs-core";
import { port } from "../device/port.ts";
import type { Random } from "../device/random.ts";
import {
  openSafetensors,
  type TensorToWrite,
  writeSafetensors,
} from "../safetensors/safetensors.ts";
import type { Optimizer } from "./optimizer.ts";
import type { TrainerState } from "./state.ts";

/** Everything in a run that changes, with its file in a checkpoint. */
export interface Run {
  /** trainer_state.json. */
  state: TrainerState;
  /** Dropout's random numbers; the number of draws is in trainer_state.json. */
  random: Random;
  /** weights.safetensors: the trained parameters, without frozen weights. */
  trained: Map<string, tf.Variable>;
  /** optimizer.safetensors, under PyTorch's names. */
  optimizer: Optimizer;
  /** best.safetensors, if a snapshot was taken. */
  best: Snapshot;
}

/** Writes a run's files into an empty folder. */
export async function writeRun({ state, random, trained, optimizer, best }: Run, folder: string) {
  const moments = [...optimizer.moments].flatMap(([name, { mean, square }]) =>
    [[`${name}.exp_avg`, mean], [`${name}.exp_avg_sq`, square]] as const
  );
  await writeSafetensors(`${folder}/weights.safetensors`, stored(trained));
  await writeSafetensors(`${folder}/optimizer.safetensors`, stored(moments));
  if (best.values.size) {
    await writeSafetensors(`${folder}/best.safetensors`, stored(best.values));
  }
  const json = toJson({ state, draws: random.draws });
  await Deno.writeTextFile(`${folder}/trainer_state.json`, json);
}

/** Restores a run that trains the same parameters from what {@link writeRun} wrote. */
export async function readRun({ state, random, trained, optimizer, best }: Run, folder: string) {
  optimizer.dispose();
  best.dispose();
  await eachTensor(`${folder}/weights.safetensors`, (name, value) => {
    trained.get(name)!.assign(value);
  });
  const moments = new Map<string, tf.Variable>();
  await eachTensor(`${folder}/optimizer.safetensors`, (name, value) => {
    moments.set(name, tf.variable(value, false));
  });
  for (const name of trained.keys()) {
    const [mean, square] = [moments.get(`${name}.exp_avg`), moments.get(`${name}.exp_avg_sq`)];
    if (mean && square) optimizer.moments.set(name, { mean, square });
  }
  await eachTensor(`${folder}/best.safetensors`, (name, value) => {
    best.values.set(name, tf.keep(value));
  }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  const json = fromJson(await Deno.readTextFile(`${folder}/trainer_state.json`));
  Object.assign(state, json.state);
  random.draws = json.draws;
  optimizer.steps = state.step;
}

/** Reads a file tensor by tensor; a value is freed after its use. */
async function eachTensor(path: string, use: (name: string, value: tf.Tensor) => void) {
  using file = await openSafetensors(path);
  for (const name of file.tensors.keys()) {
    const { shape, data } = await file.read(name);
    tf.tidy(() => use(name, tf.tensor(data as Float32Array, shape)));
  }
}

/** Tensors for a file; each is read from the device only when it is written, so that few are held twice. */
function stored(tensors: Iterable<readonly [string, tf.Tensor]>): Map<string, TensorToWrite> {
  return new Map(
    Array.from(tensors, ([name, tensor]) => [name, {
      dtype: "F32",
      shape: tensor.shape,
      data: () => port().read(tensor),
    }]),
  );
}

// JSON has no NaN or Infinity, for which JSON.stringify writes null; the state has no other strings. A replacer takes ten
// times as long.
function toJson(value: unknown): string {
  const json = JSON.stringify(value);
  if (!json.includes("null")) return json;
  return JSON.stringify(
    value,
    (_, x) => Number.isNaN(x) || Math.abs(x) === Infinity ? String(x) : x,
  );
}

const fromJson = (text: string) =>
  JSON.parse(text, (_, x) => typeof x === "string" ? Number(x) : x);

/** A copy in memory of the values of parameters. */
export interface Snapshot {
  /** The values kept, by the parameters' names. */
  readonly values: Map<string, tf.Tensor>;
  /** Keeps the current values instead of earlier ones. */
  take(): void;
  /** Sets the parameters to the values kept, if any. */
  restore(): void;
  /** Frees the values kept. */
  dispose(): void;
}

/** Creates an empty snapshot of parameters. A value takes memory only once its parameter has changed. */
export function createSnapshot(parameters: Map<string, tf.Variable>): Snapshot {
  const values = new Map<string, tf.Tensor>();
  const dispose = () => {
    values.forEach((value) => value.dispose());
    values.clear();
  };
  return {
    values,
    take() {
      dispose();
      for (const [name, variable] of parameters) values.set(name, variable.clone());
    },
    restore() {
      for (const [name, value] of values) parameters.get(name)!.assign(value);
    },
    dispose,
  };
}
