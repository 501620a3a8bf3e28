/**
 * Classifies the text in the environment variable TEXT or, without it, each line of standard input, with the adapter of
 * the last run: `deno task predict`. Prints a line for each text: label, score and text, with tabs between.
 */
import { checkVariables, fetchBaseModel, openRun, outputOf, runFolder, runName } from "course";
import { loadPipeline, openDataset, type Pipeline } from "lightweight-finetuning";
import { visible } from "lightweight-finetuning/display";
import { isFile } from "../lib/files.ts";

async function open(): Promise<Pipeline> {
  checkVariables();
  const adapter = `${runFolder(runName())}/lora/adapter`;
  if (!await isFile(`${adapter}/adapter_config.json`)) {
    throw new Error(
      `Cannot predict as ${adapter} must hold the adapter of a run: it does not. ` +
        "Run 'make run' first, with the same PROFILE, DATA, SETTINGS or RUN",
    );
  }
  const run = await openRun();
  const { labels } = await outputOf(run, "data", openDataset);
  await outputOf(run, "lora/adapter"); // of these data, and with these settings
  const base = await fetchBaseModel(run);
  const { log } = console;
  console.log = () => {}; // the base has no head, says loadClassifier(): the adapter brings one
  return await loadPipeline(adapter, { base, labels }).finally(() => console.log = log);
}

/** The lines of standard input, as many at a time as have arrived. */
async function* arrivingLines(): AsyncGenerator<string[]> {
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop()!;
    if (lines.length) yield lines;
  }
  if (rest) yield [rest];
}

async function main() {
  const pipeline = await open();
  const text = Deno.env.get("TEXT");
  if (!text && Deno.stdin.isTerminal()) {
    console.error("waiting for texts, one a line; Ctrl-D ends");
  }
  for await (const texts of text ? [[text]] : arrivingLines()) {
    for (const [i, { label, score }] of (await pipeline(texts)).entries()) {
      console.log([visible(label), score.toFixed(3), visible(texts[i]!)].join("\t"));
    }
  }
}

await main().catch((error: Error) => {
  console.error(error.message);
  Deno.exit(1);
});
