import { createHash } from "node:crypto";
import { port } from "../device/port.ts";
import type { Examples } from "../batches.ts";
import type { Adapter } from "../adapter/state.ts";
import type { TextModel } from "../model/classifier.ts";
import type { TrainerOptions } from "./options.ts";

/** Everything that determines the numbers of a run, by name; large values by their hash. */
export type Fingerprint = Record<string, string>;

/** Options that change no number, and data sets, which are hashed apart. */
const LEFT_OUT: (keyof TrainerOptions)[] = [
  ...["trainDataset", "evalDataset", "computeMetrics", "listeners"] as const,
  ...[
    "evalOnStart",
    "outputDir",
    "saveSteps",
    "saveTotalLimit",
    "resumeFromCheckpoint",
    "acceptChanges",
  ] as const,
];

/** What the options were in runs that are older than them; others were null. */
const BEFORE: Fingerprint = { bf16: "false" };

/** Prefix of the names of trained parameters. */
const TRAINED = "trained.";

/** Computes the fingerprint of a run from its options, rows, model, adapter and frozen weights. */
export async function fingerprint(
  model: TextModel,
  options: Required<TrainerOptions>,
): Promise<Fingerprint> {
  const { raw: _raw, ...config } = model.config;
  const { method, peftConfig } = model as Partial<Adapter>;
  const { baseModelNameOrPath: _name, ...adapter } = peftConfig ?? {};
  const taken: Fingerprint = {
    ...texts("", options, LEFT_OUT),
    train: hashOfRows(options.trainDataset),
    evaluation: hashOfRows(options.evalDataset),
    ...texts("config.", config),
    ...texts(`${method?.peftType.toLowerCase()}.`, adapter),
  };
  const frozen = createHash("sha256");
  for (const [name, variable] of model.parameters) {
    if (variable.trainable) taken[TRAINED + name] = `[${variable.shape}]`;
    else frozen.update(`${name} [${variable.shape}]`).update(bytes(await port().read(variable)));
  }
  taken.frozen = short(frozen.digest("hex"));
  return taken;
}

/**
 * Describes the differences between two fingerprints.
 *
 * @param accepted Names of what may differ; trained parameters may not.
 */
export function changes(then: Fingerprint, now: Fingerprint, accepted: string[]): string[] {
  const names = new Set([...Object.keys(now), ...Object.keys(then)]);
  const valueOf = (of: Fingerprint, name: string) => of[name] ?? BEFORE[name] ?? "null";
  return [...names]
    .filter((name) => valueOf(then, name) !== valueOf(now, name))
    .filter((name) => name.startsWith(TRAINED) || !accepted.includes(name))
    .map((name) => `${name} was ${then[name] ?? "absent"} and is ${now[name] ?? "absent"}`);
}

function texts(prefix: string, values: object, leftOut: string[] = []): Fingerprint {
  const entries = Object.entries(values).filter(([name]) => !leftOut.includes(name));
  const text = (value: unknown) =>
    typeof value === "object" ? JSON.stringify(value) : String(value); // JSON has no Infinity
  return Object.fromEntries(entries.map(([name, value]) => [prefix + name, text(value)]));
}

/** How many rows there are, and a hash of their ids and classes. */
export function hashOfRows({ inputIds, labels }: Examples): string {
  const hash = createHash("sha256");
  // Reused, as a new one for each row makes collecting garbage slow while many views are alive.
  let row = new Int32Array(0);
  for (const ids of inputIds) {
    if (row.length <= ids.length) row = new Int32Array(1 + 2 * ids.length);
    row[0] = ids.length;
    row.set(ids, 1);
    hash.update(bytes(row.subarray(0, 1 + ids.length)));
  }
  hash.update(bytes(Int32Array.from(labels)));
  return `${inputIds.length} rows, ${short(hash.digest("hex"))}`;
}

const bytes = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
  new Uint8Array(buffer, byteOffset, byteLength);

const short = (digest: string) => `sha256 ${digest.slice(0, 16)}`;
