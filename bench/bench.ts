/**
 * Compares with Python on this machine: `make bench`, or
 *
 *     deno run -A bench/bench.ts [--rounds 5] [--readme] [--only REGEX] [--smoke] [--name NAME]
 *
 * Writes runs/bench.{json,png,html}; with --readme runs/bench-readme.*; with --only or --smoke runs/bench-partial.*;
 * with --name runs/NAME.*.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { openDevice } from "lightweight-finetuning";
import { isFile } from "../lib/files.ts";
import { ratioChart, writeChart } from "./chart.ts";
import { lines, type Side, SIZES, type Source, type Task, tasks } from "./lines.ts";
import { FOLDER, lastLine, prepare, PYTHON, ROOT } from "./prepare.ts";
import { summarise, table } from "./summary.ts";

const { values: args } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" }, // of each task, the sides in turn
    readme: { type: "boolean", default: false }, // the lines of README.md's picture
    only: { type: "string", default: "" }, // lines whose text matches
    smoke: { type: "boolean", default: false }, // so little of each task that it only shows that it runs
    name: { type: "string", default: "" }, // of the files
  },
});
// What Linux calls it on x86 and on ARM.
const BF16 = /\b(avx512_bf16|amx_bf16|bf16)\b/;
const rounds = Number(args.rounds);
const size = args.smoke ? SIZES.smoke : SIZES.whole;
const part = args.only || args.smoke ? "-partial" : args.readme ? "-readme" : "";
const path = `${ROOT}runs/${args.name || `bench${part}`}`;
const only = new RegExp(args.only, "i");
const chosen = lines(size).filter(({ what, short }) => (short || !args.readme) && only.test(what));
const sources = chosen.flatMap(({ ours, other }) => [ours, ...other]);

await prepare();
const machine = String(await openDevice());
/** Of each task and side: its measures, one record a round, or why there are none. */
const measured = new Map<string, Record<string, number>[]>();
const reasons = new Map<string, string>();
let failures = 0;

for (let round = 0; round < rounds; round++) {
  for (const [key, task] of Object.entries(tasks(size))) {
    const sides = [...new Set(sources.filter(([of]) => of === key).map(([, side]) => side))].sort();
    if (round % 2) sides.reverse();
    for (const side of sides) await measure(`${key}, ${side}`, task, side, round);
  }
  const results = chosen.map((line) => {
    const pairs = Array.from({ length: round + 1 }, (_, i): [number, number] => [
      number(line.ours, i),
      Math.max(...line.other.map((source) => number(source, i))),
    ]);
    const reason = [line.ours, ...line.other]
      .map(([key, side]) => reasons.get(`${key}, ${side}`)).find(Boolean);
    return summarise(line, pairs.filter((pair) => !pair.some(Number.isNaN)), machine, reason);
  });
  await Deno.writeTextFile(`${path}.json.partial`, JSON.stringify(results, null, 2) + "\n");
  await Deno.rename(`${path}.json.partial`, `${path}.json`);
  await writeChart(ratioChart(results), path);
  if (round === rounds - 1) console.log(`\n${table(results, machine)}\n\n${path}.{json,png,html}`);
}
Deno.exit(failures ? 1 : 0);

function number([key, side, measure]: Source, round: number): number {
  return measured.get(`${key}, ${side}`)?.[round]?.[measure] ?? NaN;
}

async function measure(id: string, task: Task, side: Side, round: number) {
  const reason = reasons.get(id) ?? await lacking(task, side);
  if (reason) return reasons.set(id, reason);
  const started = performance.now();
  const { success, stdout, stderr } = await run(task, side);
  const seconds = (performance.now() - started) / 1000;
  if (!success) {
    failures++;
    console.log(`round ${round + 1} · ${id} failed: ${new TextDecoder().decode(stderr)}`);
    return reasons.set(id, `failed: ${lastLine(stderr)}`);
  }
  const measures = { ...JSON.parse(lastLine(stdout)), seconds } as Record<string, number>;
  measured.set(id, [...measured.get(id) ?? [], measures]);
  const texts = Object.entries(measures).map(([name, value]) => `${name} ${value.toPrecision(4)}`);
  console.log(`round ${round + 1} · ${id}: ${texts.join(", ")}`);
}

/** Says what is not there of what the task needs. */
async function lacking(
  { options: { model, rows, bf16, bf16FullEval } }: Task,
  side: Side,
): Promise<string | undefined> {
  if ((bf16 || bf16FullEval) && machine.startsWith("CPU")) {
    if (!BF16.test(await Deno.readTextFile("/proc/cpuinfo"))) return "skipped: no bfloat16";
  }
  const files = rows ? ["test.json", `${model}/tokenizer.json`] : [`${model}/model.safetensors`];
  const paths = model ? files.map((file) => `${FOLDER}/${file}`) : [];
  for (const path of side === "python" ? [PYTHON, ...paths] : paths) {
    if (!await isFile(path)) return `skipped: no ${path.replace(ROOT, "")}`;
  }
}

function run({ task, options }: Task, side: Side) {
  const deno = (file: string, ...flags: string[]): [string, string[]] => [
    Deno.execPath(),
    ["run", "-A", ...flags, `${ROOT}bench/${file}`],
  ];
  const [command, args] = {
    ours: deno("ours.ts"),
    python: [PYTHON, [`${ROOT}bench/reference.py`]] as [string, string[]],
    "transformers.js": deno("transformers.js", "--no-config", "--no-lock"),
  }[side];
  args.push(task, JSON.stringify(options));
  return new Deno.Command(command, { args, cwd: FOLDER, stdin: "null" }).output();
}
