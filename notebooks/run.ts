/**
 * Runs the five notebooks and writes their report: `deno task run`. With `--keep`, the executed notebooks
 * take the place of those in notebooks/: `deno task render`.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  checkVariables,
  defaultSettings,
  findSettings,
  METHOD_KEYS,
  type MethodInfo,
  METHODS,
  type Notebook,
  NOTEBOOKS,
  openRun,
  outputOf,
  readMetrics,
  runFolder,
  runName,
} from "course";
import { openDataset, openDevice } from "lightweight-finetuning";
import { isFile, lockFolder } from "../lib/files.ts";
import { buildReport, convertNotebooks } from "../report/build.ts";
import { estimateTraining } from "./estimate.ts";
import { executeNotebook } from "./execute.ts";
import { progressLine } from "./progress.ts";

/** From so many rows on, all passes counted, the time is estimated on a CPU. */
const MANY_ROWS = 20_000;

const root = fileURLToPath(new URL("..", import.meta.url));

async function main() {
  const { name, folder, report, keep, lock } = await begin().catch(fail);
  using _ = lock;
  for (const notebook of NOTEBOOKS) {
    if (notebook === "03-full-finetune") await warnOfCpu();
    const started = performance.now();
    console.log(`${notebook} (run ${name}) …`);
    await execute(notebook, report, folder);
    console.log(`${notebook} took ${duration(performance.now() - started)}`);
  }
  const paths = NOTEBOOKS.map((notebook) => `${report}/${notebook}.ipynb`);
  const index = await buildReport(paths, report, `${folder}/metrics.json`);
  if (keep) {
    for (const notebook of NOTEBOOKS) {
      await Deno.copyFile(`${report}/${notebook}.ipynb`, `${root}notebooks/${notebook}.ipynb`);
    }
  }
  const { accuracy } = await readMetrics(`${folder}/metrics.json`);
  const percents = METHOD_KEYS.map((method) =>
    `${METHODS[method].name} ${(100 * accuracy[method]!).toFixed(2)} %`
  );
  console.log(`accuracy: ${percents.join(", ")}`);
  console.log(`report: ${inProject(index)}`);
}

/** Checks what the user has set, and takes the run's folder. */
async function begin() {
  const { values } = parseArgs({ args: Deno.args, options: { keep: { type: "boolean" } } });
  checkVariables();
  await findSettings(defaultSettings());
  const name = runName();
  const folder = runFolder(name);
  const report = `${folder}/report`;
  await Deno.mkdir(report, { recursive: true });
  return { name, folder, report, keep: values.keep, lock: await lockFolder(folder) };
}

function fail(error: Error): never {
  console.error(error.message);
  Deno.exit(1);
}

/** Training that takes hours on a CPU: says how many before it goes on. */
async function warnOfCpu() {
  const run = await openRun();
  const { train } = await outputOf(run, "tokens", openDataset);
  if (train.height * run.settings.numTrainEpochs < MANY_ROWS) return;
  const device = await openDevice();
  if (device.kind === "gpu") return;
  console.log(`measuring three steps of each on ${device.name} …`);
  const { full, lora } = await estimateTraining(run);
  const hours = (seconds: number) => `${(seconds / 3600).toFixed(1)} hours`;
  console.log(
    `training will take about ${hours(full)} in full, ${
      hours(lora)
    } with LoRA, and somewhat more ` +
      "than that on four bits. Ctrl-C ends it; TRAIN_ROWS=2000 would take fewer rows",
  );
}

/** Runs one notebook to its end, and says meanwhile how training goes. Where it fails, what it showed is kept as a page. */
async function execute(notebook: Notebook, report: string, runFolder: string) {
  const methods = Object.values<MethodInfo>(METHODS).filter((of) => of.notebook === notebook);
  const progress = () =>
    Promise.all(
      methods.map(({ name, folder }) => lastStep(name, `${runFolder}/${folder}/history.json`)),
    );
  const show = progressLine();
  let before = await progress(); // of an earlier run
  let ended = false;
  const watch = setInterval(async () => {
    const now = await progress();
    if (ended) return;
    for (const [i, line] of now.entries()) if (line && line !== before[i]) show(line);
    before = now;
  }, 2000);
  const executed = `${report}/${notebook}.ipynb`;
  const error = await executeNotebook(`${root}notebooks/${notebook}.ipynb`, executed)
    .catch((error: Error) => error);
  ended = true;
  clearInterval(watch);
  show();
  if (!error) return;
  const kept = await convertNotebooks([executed], report).then(
    () => executed.replace(/ipynb$/, "html"),
    () => executed, // no page of it, on a full disk perhaps
  );
  const where = await isFile(executed) ? `What ran is kept in ${inProject(kept)}. ` : "";
  fail(new Error(`${error.message}\n${where}Run the same command again to go on`));
}

async function lastStep(name: string, path: string): Promise<string> {
  const records = JSON.parse(await Deno.readTextFile(path).catch(() => "[]"));
  const { step, loss, evalLoss } = records.at(-1) ?? {};
  if (step === undefined) return "";
  const losses = Object.entries({ loss, validation: evalLoss }) // one may be recorded more often
    .flatMap(([name, value]) => value === undefined ? [] : [`${name} ${value.toFixed(4)}`]);
  return `  ${name}, step ${step}: ${losses.join(", ")}`;
}

const inProject = (path: string) => path.replace(root, "");

const duration = (milliseconds: number) => {
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};

if (import.meta.main) await main();
