import { equal, match, ok } from "node:assert/strict";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import { defaultSettings, NOTEBOOKS, openRun } from "course";
import { openDevice } from "lightweight-finetuning";
import { lockFolder } from "../lib/files.ts";
import { estimateTraining } from "../notebooks/estimate.ts";
import { temporaryFolder } from "./helpers/altered.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

interface Output {
  output_type: string;
  name?: string;
  text?: string[] | string;
  data?: Record<string, string[] | string>;
}

interface Cell {
  cell_type: string;
  metadata: { tags?: string[] };
  source: string[] | string;
  execution_count: number | null;
  outputs: Output[];
}

const joined = (text: string[] | string = "") => [text].flat().join("");

async function codeCells(path: string): Promise<Cell[]> {
  const { cells }: { cells: Cell[] } = JSON.parse(await Deno.readTextFile(path));
  return cells.filter((cell) => cell.cell_type === "code");
}

/** All that a reader sees of a cell as text. */
const shown = ({ outputs }: Cell) =>
  outputs.map(({ text, data }) => joined(text) + joined(data?.["text/plain"])).join("\n");

/** What each cell must show, in order; `chart` stands for a chart with its picture. */
const chart = Symbol("chart");
const nothing = /^$/;
const number = String.raw`\d+\.\d{4}`;
const table = (...words: string[]) => new RegExp(words.join("[\\s\\S]*"));
const header = (profile: string, rest = "$") =>
  new RegExp(
    `^run ${profile} · [CG]PU 0: .+, TensorFlow 2\\.21\\.0 · \\d{4}-\\d\\d-\\d\\d\n${rest}`,
  );
/** How notebook 1 shows settings. */
const settings = (profile: string) =>
  Object.entries(defaultSettings(profile)).map(([name, value]) => `${name} *${value ?? "–"}`)
    .join(" *\n").replaceAll(".", "\\.");
const training = table(
  "Step",
  "Training Loss",
  "Validation Loss",
  "Accuracy",
  "train_loss",
  "epoch",
);

/** What whatWeSaw() says. */
const found = (name: string) =>
  table(`${name}, \\d+ steps:`, "validation loss went", "accuracy went", "It took \\d+ s", "GB");

function expected(profile: string): Record<string, (RegExp | typeof chart)[]> {
  return {
    "01-load": [
      nothing,
      header(profile),
      new RegExp(
        `^Settings, kept in runs/${profile}/settings\\.json\nname .*\n${settings(profile)}`,
      ),
      nothing,
      /all-MiniLM-L6-v2\s+bert\s+6\s+384\s+12\s+30522/,
      table("The parts", "train +text, label", "evaluation +text, label", "test +text, label"),
      table("4 classes", "0 +World", "1 +Sports", "2 +Business", "3 +Sci/Tech"),
      /most frequent class has 2\d\.\d % of the training rows/,
      table("The first training rows", "label", "text"),
      /saved in runs\/\w+\/data/,
    ],
    "02-tokenize": [
      header(profile),
      /at most 512 tokens a text; 0 pads/,
      table("101", "chip", "##maker", "102"),
      /0\.\d\d % of the training tokens are unknown, .*\ntook \d+\.\d s/,
      table("The tokenized parts", "train +text, label, input_ids", "evaluation", "test"),
      chart,
      table("3 rows of \\d+", "input_ids", "101", "1 1 1 1 …"),
      nothing,
      table(
        "none",
        "16, sorted by length",
        "16, as they come",
        "1,000 rows",
        "group_by_length",
      ),
      /saved in runs\/\w+\/tokens/,
    ],
    "03-full-finetune": [
      header(profile),
      /classifier\.weight, classifier\.bias: new, will be trained/,
      /trainable params: 22,714,756 \|\| all params: 22,714,756 \|\| trainable%: 100\.0000/,
      new RegExp(`accuracy ${number}, loss 1\\.[34]\\d+\n4 classes: ln 4 = 1\\.3863`),
      table("Training arguments", "learningRate", "linear", "weightDecay +0", "seed +42"),
      training,
      chart,
      found("full fine-tuning"),
      /saved in runs\/\w+\/full/,
    ],
    "04-lora-finetune": [
      header(profile),
      /classifier\.weight, classifier\.bias: new, will be trained/,
      /trainable params: 22,714,756/,
      table("encoder\\.layer\\.0-5", "query: weight \\[384, 384\\]", "classifier: weight"),
      /trainable params: 75,268 \|\| all params: 22,790,024 \|\| trainable%: 0\.3303/,
      table("configuration", "r +8", "loraAlpha +16", "loraDropout +0.1", '\\["query","value"\\]'),
      /^LoRA computes y = W x .* alpha \/ r = 16 \/ 8 = 2 .* 147,456 weights; trained: 6,144/,
      table("head +1540 +2", "lora_A +36864 +12", "lora_B +36864 +12", "147456", "= 6144"),
      table("query: weight", "lora_A: weight \\[8, 384\\] trained", "original_module"),
      /largest change of a logit: 0\n[\s\S]*as before: true/,
      table("Training arguments", "learningRate", "linear", "weightDecay +0", "seed +42"),
      training,
      chart,
      found("LoRA"),
      /layer\.0\.attention\.self\.query: relative difference \d\.\de-[67]/,
      nothing,
      table("adapter_model.safetensors", "0\\.30", "model.safetensors", "90\\.87"),
      /adapter: the same answer on (\d+) of \1 [\s\S]*merged model: the same answer on \1 of \1 /,
      /trainable%: 0\.3303\n+91\.2 MB in floats, 53\.7 MB with linear layers at four bits/,
      training,
      chart,
      table(found("LoRA on 4 bits").source, "LoRA on 4 bits ends at", "caught up", "trained"),
      /saved in runs\/\w+\/lora-4bit/,
    ],
    "05-evaluate": [
      header(profile),
      /\d+ test rows/,
      new RegExp(`accuracy ${number}, always the most frequent class 0\\.25`),
      new RegExp(`trainable params: 75,268[\\s\\S]*accuracy ${number}`),
      /largest change of a logit \d\.\de-[678]\n[\s\S]*same answer on (\d+) of \1 rows/,
      new RegExp(`new, will be trained\\n+accuracy ${number}`),
      new RegExp(`accuracy ${number}`),
      table("untouched", number, "LoRA on 4 bits", number, "LoRA", number, "full", number),
      chart,
      table("Differences of accuracy", "LoRA − untouched", "full fine-tuning − LoRA", "on 4 bits"),
      chart,
      chart,
      chart,
      table("LoRA's most frequent mistakes", "true", "predicted", "rows"),
      chart,
      chart,
      table("Untouched", "support", "LoRA", "precision", "Full fine-tuning", "f1"),
      nothing,
      /mistake [\s\S]*samples evaluated: (80|100)\n.*categorized: \d+\n.*: \d+\.\d %/,
      /text +label +score\n.+\d\.\d{3}\n.+\d\.\d{3}/,
      table("LoRA on 4 bits", "75268", "LoRA", "75268", "full fine-tuning", "22714756"),
      chart,
      table("LoRA", "91\\.", "LoRA on 4 bits", "53\\."),
      /saved in runs\/\w+\/metrics\.json/,
      table("The original", "Test accuracy, LoRA", "0\\.9155", "The run differs from the original"),
      table("1\\. An untrained", "2\\. LoRA", "3\\. It trains", "4\\. Four bits"),
    ],
  };
}

async function assertNotebook(path: string, expectations: (RegExp | typeof chart)[]) {
  const cells = await codeCells(path);
  equal(cells.length, expectations.length, `${path} has another number of code cells`);
  for (const [i, cell] of cells.entries()) {
    const what = `${path}, cell ${i + 1}:\n${joined(cell.source)}\n`;
    equal(cell.execution_count, i + 1, what);
    for (const output of cell.outputs) {
      ok(output.output_type !== "error", what + JSON.stringify(output));
      ok(output.name !== "stderr", what + joined(output.text));
    }
    const streams = cell.outputs.filter(({ output_type }) => output_type === "stream");
    ok(streams.length <= 1, `${what}${streams.length} streams`);
    const expectation = expectations[i]!;
    if (expectation instanceof RegExp) {
      match(shown(cell), expectation, what);
    } else {
      equal(cell.outputs.length, 1, what);
      const kinds = Object.keys(cell.outputs[0]!.data!).sort();
      equal(kinds.join(), "application/vnd.plotly.v1+json,image/png,text/plain", what);
    }
  }
}

/** What the only cell of a notebook that shows it shows. */
function shownOnce(cells: Cell[], what: RegExp): string {
  const found = cells.map(shown).filter((text) => what.test(text));
  equal(found.length, 1, `${what} is in ${found.length} cells`);
  return found[0]!;
}

/** The numbers of a training table by step, and the closing figures. */
function tableOf(text: string) {
  const rows = Array.from(
    text.matchAll(/^ *(\d+) +(?:[\d.]+|No log) +([\d.]+) +([\d.]+)$/gm),
    ([, step, loss, accuracy]) => ({ step: step!, loss: Number(loss), accuracy: Number(accuracy) }),
  );
  ok(rows.length > 3 && rows[0]!.step === "0", text);
  const [, rate] = text.match(/train_samples_per_second +([\d.]+)/)!;
  return { rows, rate: Number(rate) };
}

/** That a text has numbers where the pattern has groups, and which, but for how they were rounded. */
function assertNumbers(text: string, pattern: RegExp, expected: number[], rounding: number) {
  const found = text.match(pattern)?.slice(1).map(Number) ?? [];
  equal(found.length, expected.length, `${pattern} in ${text}`);
  found.forEach((number, i) =>
    ok(Math.abs(number - expected[i]!) < rounding, `${pattern} in ${text}`)
  );
}

/** That the sentences after a training say what its table shows. */
function assertSentences(said: string, { rows, rate }: ReturnType<typeof tableOf>, before: number) {
  const last = rows.at(-1)!;
  const lowest = rows.reduce((a, b) => b.loss < a.loss ? b : a);
  assertNumbers(said, /validation loss went from ([\d.]+) to (\d\.\d+)/, [before, last.loss], 2e-4);
  assertNumbers(said, /accuracy went from .* % to ([\d.]+) %/, [100 * last.accuracy], 0.02);
  assertNumbers(said, / s, ([\d.]+) samples a second/, [rate], 0.2);
  const where = lowest === last ? "lowest at the end" : `lowest at step ${lowest.step}, with`;
  ok(said.includes(where), said);
}

/** That what the notebooks say in words is what their tables show. */
async function assertProse(folder: string) {
  const open = (notebook: string) => codeCells(`${folder}/${notebook}.ipynb`);
  const lossBefore = (cells: Cell[]) =>
    Number(shownOnce(cells, /accuracy \d\.\d+, loss/).match(/loss (\d\.\d+)/)![1]);
  const full = await open("03-full-finetune");
  const fullTable = tableOf(shownOnce(full, /train_runtime/));
  assertSentences(shownOnce(full, /loss went/), fullTable, lossBefore(full));

  const lora = await open("04-lora-finetune");
  const [table, table4bit] = lora.map(shown).filter((text) => /train_runtime/.test(text)).map(
    tableOf,
  );
  assertSentences(shownOnce(lora, /^LoRA, \d+ steps/), table!, lossBefore(lora));
  const said = shownOnce(lora, /^LoRA on 4 bits, \d+ steps/);
  const ends = [table4bit!, table!].map(({ rows }) => rows.at(-1)!.loss);
  assertNumbers(
    said,
    /on 4 bits ends at a validation loss of ([\d.]+), LoRA at (\d\.\d+)/,
    ends,
    2e-4,
  );
  ok(said.includes(`it has ${ends[0]! <= ends[1]! ? "" : "not "}caught up`), said);

  const last = await open("05-evaluate");
  const accuracyOf = (name: string) => {
    const text = shownOnce(last, /^Accuracy on the test rows/);
    return Number(text.match(new RegExp(`^${name} +(\\d\\.\\d{4})`, "m"))![1]);
  };
  const beside = shownOnce(last, /^The original:/);
  for (const name of ["untouched", "LoRA", "full fine-tuning"]) {
    const row = new RegExp(`^Test accuracy, ${name} +([\\d.]+)`, "m");
    assertNumbers(beside, row, [accuracyOf(name)], 2e-4);
  }
  const concluded = shownOnce(last, /^1\. An untrained head/);
  assertNumbers(concluded, /there, ([\d.]+) % here/, [100 * accuracyOf("untouched")], 0.02);
  const gap = 100 * (accuracyOf("full fine-tuning") - accuracyOf("LoRA"));
  const side = gap >= 0 ? "below" : "above";
  assertNumbers(
    concluded,
    new RegExp(`here it is ([\\d.]+) points ${side}`),
    [Math.abs(gap)],
    0.03,
  );
  const rate = (name: string) =>
    Number(beside.match(new RegExp(`^Samples per second, ${name} +([\\d.]+)`, "m"))![1]);
  const ratio = rate("LoRA") / rate("full fine-tuning");
  assertNumbers(beside, /by those of full fine-tuning +([\d.]+)/, [ratio], 0.02);
  assertNumbers(concluded, /there, ([\d.]+) times here/, [ratio], 0.02);
}

Deno.test("what the committed notebooks say in words is what their tables show", () =>
  assertProse(`${root}notebooks`));

Deno.test("the committed notebooks show a whole run of the profile quick", async () => {
  for (const notebook of NOTEBOOKS) {
    await assertNotebook(`${root}notebooks/${notebook}.ipynb`, expected("quick")[notebook]!);
  }
});

Deno.test("the committed notebooks have cells of at most 15 lines and no path of a machine", async () => {
  for (const notebook of NOTEBOOKS) {
    const path = `${root}notebooks/${notebook}.ipynb`;
    const text = await Deno.readTextFile(path);
    ok(!text.includes(root), `${path} holds ${root}`);
    ok(text.length < 300_000, `${path} has ${text.length} characters`);
    for (const { source, metadata } of await codeCells(path)) {
      if (metadata.tags?.includes("parameters")) continue; // one cell for all settings
      ok(joined(source).split("\n").length <= 15, joined(source));
    }
  }
});

Deno.test("notebooks say what to run first", async () => {
  const folder = await Deno.makeTempDir();
  const { success, stderr } = await new Deno.Command(`${root}.venv/bin/jupyter`, {
    args: [
      ...["nbconvert", "--to", "notebook", "--execute", "--output-dir", folder],
      `${root}notebooks/02-tokenize.ipynb`,
    ],
    env: { PROFILE: "seed", RUNS: folder },
  }).output();
  ok(!success);
  match(
    new TextDecoder().decode(stderr),
    /seed\/settings\.json: .* Run the notebook 01-load again/,
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("'deno task run' refuses an unknown profile or option in one line, before anything is run", async () => {
  await using folder = await temporaryFolder();
  const refused = async (env: Record<string, string>, ...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "-q", "run", ...args],
      cwd: root,
      env: { RUNS: folder.path, PROFILE: "sample", ...env },
    }).output();
    equal(code, 1);
    equal(stdout.length, 0);
    equal(Array.from(Deno.readDirSync(folder.path)).length, 0);
    return new TextDecoder().decode(stderr);
  };
  match(await refused({ PROFILE: "nope" }), /^Cannot use the profile .*value is "nope"\n$/);
  match(await refused({}, "--kept"), /^.*'--kept'.*\n$/);
});

Deno.test("'deno task run' shows a failed cell alone, and keeps what the notebook showed before", async () => {
  await using folder = await temporaryFolder();
  await Deno.mkdir(`${folder.path}/sample`);
  await Deno.writeTextFile(`${folder.path}/sample/data`, "where the last cell wants a folder");
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "-q", "run"],
    cwd: root,
    env: { PROFILE: "sample", RUNS: folder.path, NO_COLOR: "1" },
  }).output();
  equal(code, 1);
  equal(new TextDecoder().decode(stdout), "01-load (run sample) …\n");
  const log = new TextDecoder().decode(stderr);
  match(log, /^Cannot finish 01-load as its cell \[\d+\] failed:\n\n {2}1 \| import .*\n/);
  match(
    log,
    /\n +\d \| await saveDataset\(.*\n(?: +\d \| .*\n)*\nError: Cannot write \S+\/sample\/data: /,
  );
  const report = `${folder.path}/sample/report/01-load`;
  ok(
    log.endsWith(`What ran is kept in ${report}.html. Run the same command again to go on\n`),
    log,
  );
  ok(!/nbclient|nbconvert|Traceback/.test(log), log);
  const cells = await codeCells(`${report}.ipynb`);
  for (const [i, wanted] of expected("sample")["01-load"]!.slice(0, -1).entries()) {
    match(shown(cells[i]!), wanted as RegExp);
  }
  match(await Deno.readTextFile(`${report}.html`), /The first training rows[^]*Cannot write/);
});

Deno.test("'deno task run' leaves a run alone that another process is writing", async () => {
  await using folder = await temporaryFolder();
  await Deno.mkdir(`${folder.path}/sample`);
  using _ = await lockFolder(`${folder.path}/sample`);
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "-q", "run"],
    cwd: root,
    env: { PROFILE: "sample", RUNS: folder.path },
  }).output();
  equal(code, 1);
  match(
    new TextDecoder().decode(stderr),
    /^Cannot write to \S+\/sample as process \d+ on \S+, since \S+, does\. Wait until .*\n$/,
  );
});

Deno.test("'deno task run' runs the profile sample from the first cell to the report", async () => {
  await Deno.remove(`${root}runs/sample`, { recursive: true }).catch(() => {});
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "run"],
    cwd: root,
    env: { PROFILE: "sample" },
    stdout: "piped",
    stderr: "piped",
  });
  const { success, stdout, stderr } = await child.output();
  const text = new TextDecoder().decode(stdout);
  ok(success, text + new TextDecoder().decode(stderr));
  match(
    text,
    /accuracy: untouched [\d.]+ %, LoRA on 4 bits [\d.]+ %, LoRA [\d.]+ %, full fine-tuning [\d.]+ %/,
  );
  match(text, /report: runs\/sample\/report\/index\.html/);
  for (const notebook of NOTEBOOKS) {
    const path = `${root}runs/sample/report/${notebook}.ipynb`;
    await assertNotebook(path, expected("sample")[notebook]!);
    ok((await Deno.stat(path.replace(".ipynb", ".html"))).size > 5000);
  }
  await assertProse(`${root}runs/sample/report`);
  const { accuracy } = JSON.parse(await Deno.readTextFile(`${root}runs/sample/metrics.json`));
  ok(
    accuracy.lora > 0.8 && accuracy.lora4bit > 0.8 && accuracy.full > 0.8,
    JSON.stringify(accuracy),
  );
  ok(accuracy.base < 0.6, JSON.stringify(accuracy));
});

Deno.test("estimateTraining() tells seconds from three steps of a run's own rows, and keeps nothing", async () => {
  await openDevice();
  const before = tf.memory().numTensors;
  const { full, lora } = await estimateTraining(await openRun("sample"));
  equal(tf.memory().numTensors, before);
  // 60 steps and 6 evaluations of 80 rows; no machine is a hundred times as fast or slow as two cores.
  for (const seconds of [full, lora]) ok(seconds > 0.2 && seconds < 2000, `${seconds}`);
});
