/**
 * Where a training step's time goes, by TensorFlow op:
 *
 *     deno run -A bench/profile.ts [--way lora|full] [--model minilm|roberta] [--batch 16x64] [--steps 5]
 *       [--bf16] [--loadIn4bit]
 *
 * On a GPU an op returns before it is done, so there its time is that of its launch.
 *
 * @module
 */
import { parseArgs } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { openDevice } from "lightweight-finetuning";
import { gridText } from "../lib/display/grid.ts";
import { barChart, writeChart } from "./chart.ts";
import { step } from "./ours.ts";
import { FOLDER, prepare, ROOT, writeBatch } from "./prepare.ts";

/** What one kind of op did while it was recorded. */
export interface OpRecord {
  count: number;
  milliseconds: number;
  /** Of its results; a Reshape, or a Cast that changes nothing, only refers to its input. */
  bytes: number;
}

interface Binding {
  TF_BOOL: number;
  executeOp(op: string, ...rest: unknown[]): { shape: number[]; dtype: number }[];
}

/** Records every op that TensorFlow's binding runs, by name, until `stop` is called. */
export function recordOps(): { records: Map<string, OpRecord>; stop(): void } {
  const backend = tf.backend() as unknown as { binding: Binding };
  const { binding } = backend;
  const records = new Map<string, OpRecord>();
  const executeOp: Binding["executeOp"] = (op, ...rest) => {
    const started = performance.now();
    const results = binding.executeOp(op, ...rest);
    const milliseconds = performance.now() - started;
    const record = records.get(op) ?? { count: 0, milliseconds: 0, bytes: 0 };
    record.count++;
    record.milliseconds += milliseconds;
    for (const { shape, dtype } of results) {
      record.bytes += tf.util.sizeFromShape(shape) * (dtype === binding.TF_BOOL ? 1 : 4);
    }
    records.set(op, record);
    return results;
  };
  backend.binding = Object.create(binding, { executeOp: { value: executeOp } });
  return { records, stop: () => backend.binding = binding };
}

async function main() {
  const { values: { way, model, batch, bf16, loadIn4bit, ...numbers } } = parseArgs({
    options: {
      way: { type: "string", default: "lora" },
      model: { type: "string", default: "minilm" },
      batch: { type: "string", default: "16x64" },
      steps: { type: "string", default: "5" },
      bf16: { type: "boolean", default: false },
      loadIn4bit: { type: "boolean", default: false },
    },
  });
  const [steps, warmUp] = [Number(numbers.steps), 2];
  const [size = 16, length = 64] = batch.split("x").map(Number);
  await prepare();
  await writeBatch("profile.json", size, length);
  Deno.chdir(FOLDER);
  const machine = String(await openDevice());

  let [done, started, wall] = [0, 0, 0];
  let recording: ReturnType<typeof recordOps> | undefined;
  const options = {
    ...{ model, way: way as "lora" | "full", warmUp, steps, bf16, loadIn4bit },
    batch: "profile.json",
  };
  const { gflops } = await step(options, () => {
    done++;
    if (done === warmUp) [started, recording] = [performance.now(), recordOps()];
    if (done < warmUp + steps) return;
    wall = performance.now() - started;
    recording!.stop();
  });

  const ops = [...recording!.records].sort(([, a], [, b]) => b.milliseconds - a.milliseconds);
  const sum = (of: keyof OpRecord) => ops.reduce((total, [, record]) => total + record[of], 0);
  const share = (milliseconds: number) => `${(100 * milliseconds / wall).toFixed(1)} %`;
  const row = (name: string, { count, milliseconds, bytes }: OpRecord) => [
    name,
    (count / steps).toFixed(0),
    (milliseconds / steps).toFixed(2),
    share(milliseconds),
    (bytes / steps / 1e6).toFixed(1),
  ];
  const [count, milliseconds, bytes] = [sum("count"), sum("milliseconds"), sum("bytes")];
  const precision = (bf16 ? "bf16" : "fp32") + (loadIn4bit ? " on four bits" : "");
  const title = `${way} step, ${model}, ${batch}, ${precision}: ${(wall / steps).toFixed(0)} ms, ${
    gflops.toFixed(0)
  } GFLOP/s · ${machine}`;
  console.log(gridText({
    title,
    columns: ["op", "count", "ms", "of the step", "MB of results"],
    cells: [
      ...ops.map(([name, record]) => row(name, record)),
      row("all ops", { count, milliseconds, bytes }),
      row("JavaScript", { count: 0, milliseconds: wall - milliseconds, bytes: 0 }),
    ],
    right: new Set([1, 2, 3, 4]),
  }));
  const bars = ops.slice(0, 20).map(([name, { count, milliseconds }]) => ({
    name: `${name} (${(count / steps).toFixed(0)})`,
    value: milliseconds / steps,
    text: `${(milliseconds / steps).toFixed(1)} ms, ${share(milliseconds)}`,
  }));
  const path = `${ROOT}runs/profile-${way}-${model}-${batch}-${precision.replaceAll(" ", "-")}`;
  await writeChart(barChart(title, bars), path);
  console.log(`\n${path}.{png,html}`);
}

if (import.meta.main) await main();
