/**
 * Runs the five notebooks of a profile and writes their report: `deno task run`. With `--keep`, the executed notebooks
 * take the place of those in notebooks/: `deno task render`.
 */
import { buildReport } from "../report/build.ts";
import { profile } from "lightweight-finetuning";

export const NOTEBOOKS = [
  "01-load",
  "02-tokenize",
  "03-full-finetune",
  "04-lora-finetune",
  "05-evaluate",
];

const root = new URL("..", import.meta.url).pathname;

async function main() {
  const run = profile();
  const report = `${run.folder}/report`;
  await Deno.mkdir(report, { recursive: true });
  for (const notebook of NOTEBOOKS) {
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
  const { accuracy } = JSON.parse(await Deno.readTextFile(`${run.folder}/metrics.json`));
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  console.log(
    `accuracy: untouched ${percent(accuracy.base)}, LoRA ${percent(accuracy.lora)}, ` +
      `full fine-tuning ${percent(accuracy.full)}`,
  );
  console.log(`report: ${index.replace(root, "")}`);
}

/** Runs one notebook to its end, and says meanwhile how training goes. */
async function execute(notebook: string, folder: string, runFolder: string) {
  const child = new Deno.Command(`${root}.venv/bin/jupyter`, {
    args: [
      ...["nbconvert", "--to", "notebook", "--execute", "--ExecutePreprocessor.timeout=-1"],
      ...["--ExecutePreprocessor.kernel_name=deno", "--output-dir", folder],
      `${root}notebooks/${notebook}.ipynb`,
    ],
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const way = notebook.match(/(full|lora)-/)?.[1];
  const watch = setInterval(() => way && reportProgress(`${runFolder}/${way}/history.json`), 2000);
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

let reported = "";

async function reportProgress(path: string) {
  const records = JSON.parse(await Deno.readTextFile(path).catch(() => "[]"));
  const last = records.at(-1);
  const line = last &&
    `  step ${last.step}: loss ${last.loss?.toFixed(4)}, validation ${last.evalLoss?.toFixed(4)}`;
  if (line && line !== reported) console.log(reported = line);
}

const duration = (milliseconds: number) => {
  const seconds = Math.round(milliseconds / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};

if (import.meta.main) await main();
