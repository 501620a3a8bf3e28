import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { beginRun, defaultSettings, fetchBaseModel, profile, recordOutput } from "course";
import {
  addLora,
  classify,
  loadClassifier,
  loadTokenizer,
  openDevice,
  saveAdapter,
  saveDataset,
} from "lightweight-finetuning";
import pl from "nodejs-polars";
import { temporaryFolder } from "../helpers/altered.ts";
import { withEnvironment } from "../helpers/environment.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Runs a command with some lines as its input. */
async function run(
  command: string,
  args: string[],
  { cwd = root, env = {}, input = "" }: {
    cwd?: string;
    env?: Record<string, string>;
    input?: string;
  },
) {
  const child = new Deno.Command(command, {
    args,
    cwd,
    env: { NO_COLOR: "1", PROFILE: "", DATA: "", TEXT: "", ...env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input)).catch(() => {}); // it may end before
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), log: text(stderr) };
}

const predict = (env: Record<string, string>, input = "") =>
  run(Deno.execPath(), ["task", "-q", "predict"], { env, input });

Deno.test("'deno task predict' classifies a text or lines with the run's adapter and its own classes", async () => {
  await using runs = await temporaryFolder();
  await openDevice();
  const labels = ["calm", "loud", "silent"];
  const base = await fetchBaseModel(profile("sample"));
  const model = await loadClassifier(base, { labels, seed: 1 });
  const adapter = addLora(model, { initLoraWeights: false, baseModelNameOrPath: "away/away" });
  await saveAdapter(adapter, `${runs.path}/sample/lora/adapter`);
  const frame = pl.DataFrame({ text: ["a"], label: [0] });
  const dataset = { labels, train: frame, evaluation: frame, test: frame };
  await saveDataset(dataset, `${runs.path}/sample/data`);
  await withEnvironment({ RUNS: runs.path }, async () => {
    const run = await beginRun(defaultSettings("sample"));
    await saveDataset(dataset, `${run.folder}/tokens`);
    for (const output of ["data", "tokens", "lora"] as const) await recordOutput(run, output);
  });
  const tokenizer = await loadTokenizer(base);
  const expected = async (...texts: string[]) =>
    (await classify(adapter, tokenizer, texts)).map(({ label, score }) =>
      `${label}\t${score.toFixed(3)}\t`
    );

  const text = `"It's" $HOME \`id\`\n\tend`;
  const [start] = await expected(text);
  const one = await predict({ RUNS: runs.path, TEXT: text });
  assert.equal(one.log, "");
  assert.equal(one.out, `${start}"It's" $HOME \`id\`\\n\\tend\n`);
  const lines = ["A goal in the last minute", "", "Über den Markt"];
  const starts = await expected(...lines);
  const many = await predict({ RUNS: runs.path }, `${lines[0]}\r\n${lines[1]}\n${lines[2]}`);
  assert.equal(many.out, lines.map((line, i) => `${starts[i]}${line}\n`).join(""));
  model.dispose();

  await withEnvironment({ RUNS: runs.path }, async () => {
    const run = await beginRun({ ...defaultSettings("sample"), trainRows: 9 });
    await recordOutput(run, "data");
  });
  const stale = await predict({ RUNS: runs.path, TEXT: "a" });
  assert.match(
    stale.log,
    /lora\/adapter: it was made with other settings .*04-lora-finetune again/,
  );
});

Deno.test("'deno task predict' says in one line what to run first", async () => {
  await using runs = await temporaryFolder();
  const missing = await predict({ RUNS: runs.path, PROFILE: "quick", TEXT: "a" });
  assert.equal(missing.code, 1);
  assert.match(
    missing.log,
    /^Cannot predict as \S+\/quick\/lora\/adapter must hold .*\. Run 'make run' first, with the same PROFILE, DATA, SETTINGS or RUN\n$/,
  );
  const unknown = await predict({ PROFILE: "nope" });
  assert.equal(unknown.code, 1);
  assert.match(unknown.log, /\/nope\/lora\/adapter must hold/);
});

Deno.test("'make predict' hands over TEXT as it is, and standard input where there is none", async () => {
  await using folder = await temporaryFolder();
  const { path: cwd } = folder;
  await Deno.copyFile(`${root}Makefile`, `${cwd}/Makefile`);
  await Deno.mkdir(`${cwd}/.venv/bin`, { recursive: true });
  const shown = `#!/bin/sh\necho "$*|$PROFILE|$TEXT|$(cat)"\n`;
  await Deno.writeTextFile(`${cwd}/.venv/bin/deno`, shown, { mode: 0o755 });
  const input = "a line";
  const text = `"It's" $HOME $(shell id) $$ \`id\` # %\nend\\ `;
  const make = (args: string[], env = {}) =>
    run("make", ["-s", "--no-print-directory", "PYTHON=true", "predict", ...args], {
      ...{ cwd, input },
      env: { MAKEFLAGS: "", ...env }, // those of a make that runs the tests
    });
  const expected = `task -q predict||${text}|a line\n`;
  assert.equal((await make([`TEXT=${text}`])).out, expected);
  assert.equal((await make([], { TEXT: text })).out, expected);
  assert.equal((await make(["PROFILE=seed"])).out, "task -q predict|seed||a line\n");
});
