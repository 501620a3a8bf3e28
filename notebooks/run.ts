/**
 * Runs the five notebooks of a profile and writes their report: `deno task run`. With `--keep`, the executed notebooks
 * take the place of those in notebooks/: `deno task render`.
 */
import { fileURLToPath } from "node:url";
import {
  METHOD_KEYS,
  type MethodInfo,
  METHODS,
  type Notebook,
  NOTEBOOKS,
  profile,
  readMetrics,
} from "course";
import { openDevice } from "lightweight-finetuning";
import { lockFolder } from "../lib/files.ts";
import { buildReport } from "../report/build.ts";
import { estimateTraining } from "./estimate.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

async function main() {
  const run = profile();
  const report = `${run.folder}/report`;
  await Deno.mkdir(report, { recursive: true });
  using _ = await lockFolder(run.folder).catch((error: Error) => {
    console.error(error.message);
    Deno.exit(1);
  });
  for (const notebook of NOTEBOOKS) {
    if (notebook === "03-full-finetune" && run.name === "seed") await warnOfCpu();
    const started = performance.now();
    console.log(`${notebook} (profile ${run.name}) …`);
    await execute(notebook, report, run.folder);
    console.log(`${notebook} took ${duration(performance.now() - started)}`);
  }
  const paths = NOTEBOOKS.map((notebook) => `${report}/${notebook}.ipynb`);
  const index = await buildReport(paths, report, `${run.folder}/metrics.json`);
  if (Deno.args.includes("--keep")) {
    for (const notebook of NOTEBOOKS) {
      await Deno.copyFile(`${report}/${notebook}.ipynb`, `${root}notebooks/${notebook}.ipynb`);
    }
  }
  const { accuracy } = await readMetrics(`${run.folder}/metrics.json`);
  const percents = METHOD_KEYS.map((method) =>
    `${METHODS[method].name} ${(100 * accuracy[method]!).toFixed(2)} %`
  );
  console.log(`accuracy: ${percents.join(", ")}`);
  console.log(`report: ${index.replace(root, "")}`);
}

/** The profile seed is meant for a GPU: on a CPU, says how long it will take before it goes on. */
async function warnOfCpu() {
  const device = await openDevice();
  if (device.kind === "gpu") return;
  console.log(`measuring three steps of each on ${device.name} …`);
  const { full, lora } = await estimateTraining(profile());
  const hours = (seconds: number) => `${(seconds / 3600).toFixed(1)} hours`;
  console.log(
    `training will take about ${hours(full)} in full, ${
      hours(lora)
    } with LoRA, and somewhat more ` +
      "than that on four bits. Ctrl-C ends it; PROFILE=quick takes minutes",
  );
}

/** Runs one notebook to its end, and says meanwhile how training goes. */
async function execute(notebook: Notebook, folder: string, runFolder: string) {
  const child = new Deno.Command(`${root}.venv/bin/jupyter`, {
    args: [
      ...["nbconvert", "--to", "notebook", "--execute", "--ExecutePreprocessor.timeout=-1"],
      ...["--ExecutePreprocessor.kernel_name=deno", "--output-dir", folder],
      `notebooks/${notebook}.ipynb`, // relative, as nbconvert expands patterns in a path
    ],
    cwd: root,
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const methods = Object.values<MethodInfo>(METHODS).filter((of) => of.notebook === notebook);
  const watch = setInterval(async () => {
    for (const method of methods) {
      await reportProgress(`${runFolder}/${method.folder}/history.json`);
    }
  }, 2000);
  const { success, stderr } = await child.output();
  clearInterval(watch);
  if (success) return;
  const log = new TextDecoder().decode(stderr).trim().split("\n");
  console.error(log.slice(-40).join("\n"));
  console.error(
    `Cannot finish ${notebook}: its error stands above. Mend it, and run the same command again`,
  );
  Deno.exit(1);
}

const reported = new Map<string, string>();

async function reportProgress(path: string) {
  const records = JSON.parse(await Deno.readTextFile(path).catch(() => "[]"));
  const last = records.at(-1);
  const line = last &&
    `  step ${last.step}: loss ${last.loss?.toFixed(4)}, validation ${last.evalLoss?.toFixed(4)}`;
  if (line && line !== reported.get(path)) console.log(line);
  reported.set(path, line);
}

const duration = (milliseconds: number) => {
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};

if (import.meta.main) await main();
