/**
 * The side of transformers.js, run without the project's deno.json so that it is no dependency:
 *
 *     deno run -A --no-config --no-lock bench/transformers.js evaluate OPTIONS
 *
 * @module
 */

// A name that is no literal, so that `deno check` does not look for the package.
const PACKAGE = ["npm:@huggingface", "transformers@4.3.1"].join("/");
const { AutoModelForSequenceClassification, AutoTokenizer, env } = await import(PACKAGE);

const BATCH = 32;
const { model: folder, rows } = JSON.parse(Deno.args[1]);
env.allowRemoteModels = false;
env.localModelPath = `${Deno.cwd()}/`;
const texts = JSON.parse(await Deno.readTextFile("test.json")).slice(0, rows);
const tokenizer = await AutoTokenizer.from_pretrained(folder);
const model = await AutoModelForSequenceClassification.from_pretrained(folder, { dtype: "fp32" });
const batches = Array.from(
  { length: Math.ceil(texts.length / BATCH) },
  (_, i) => tokenizer(texts.slice(i * BATCH, (i + 1) * BATCH), { padding: true, truncation: true }),
);
const started = performance.now();
for (const batch of batches) await model(batch);
console.log(JSON.stringify({ rate: texts.length / (performance.now() - started) * 1000 }));
