import assert from "node:assert/strict";
import {
  adamW,
  addIa3,
  addLora,
  classify,
  downloadModel,
  evaluate,
  loadAdapter,
  loadClassifier,
  loadDataset,
  loadPipeline,
  loadTokenizer,
  openDevice,
  showTable,
  Trainer,
} from "lightweight-finetuning";
import { modelCard } from "course";
import { downloadAdapter, publish } from "lightweight-finetuning/hub";
import { checkOptions } from "../lib/options.ts";
import { fixture } from "./helpers/reference.ts";

const folder = fixture("bert");
const model = await loadClassifier(folder);
const tokenizer = await loadTokenizer(fixture("hub/models/tiny/wordpiece"));
const rows = { inputIds: [[2, 5, 3]], labels: [0] };
const data = { trainDataset: rows, evalDataset: rows };
// deno-lint-ignore no-explicit-any
type Wrong = any;

/** Each function that takes options: what someone might write, and the name that is meant. */
const CALLS: [name: string, wrong: string, right: string, call: (options: Wrong) => unknown][] = [
  ["Trainer", "learning_rate", "learningRate", (o) => new Trainer(model, { ...data, ...o })],
  ["Trainer", "lr", "learningRate", (o) => new Trainer(model, { ...data, ...o })],
  ["Trainer", "epochs", "numTrainEpochs", (o) => new Trainer(model, { ...data, ...o })],
  ["Trainer", "num_train_epoch", "numTrainEpochs", (o) => new Trainer(model, { ...data, ...o })],
  ["Trainer", "eval_dataset", "evalDataset", (o) => new Trainer(model, { ...data, ...o })],
  ["Trainer", "class_weight", "classWeights", (o) => new Trainer(model, { ...data, ...o })],
  ["addLora", "rank", "r", (o) => addLora(model, o)],
  ["addLora", "alpha", "loraAlpha", (o) => addLora(model, o)],
  ["addLora", "lora_dropout", "loraDropout", (o) => addLora(model, o)],
  ["addIa3", "feedforward", "feedforwardModules", (o) => addIa3(model, o)],
  ["adamW", "weight_decay", "weightDecay", (o) => adamW(new Map(), o)],
  ["evaluate", "batch_size", "batchSize", (o) => evaluate(model, rows, o)],
  ["classify", "top_k", "topK", (o) => classify(model, tokenizer, ["a"], o)],
  ["loadClassifier", "load_in_4bit", "loadIn4bit", (o) => loadClassifier(folder, o)],
  ["loadClassifier", "label", "labels", (o) => loadClassifier(folder, o)],
  ["loadTokenizer", "revison", "revision", (o) => loadTokenizer(folder, o)],
  ["loadAdapter", "cache_folder", "cacheFolder", (o) => loadAdapter(model, folder, o)],
  ["loadPipeline", "base_model", "base", (o) => loadPipeline(folder, o)],
  ["openDevice", "library", "libraries", (o) => openDevice(o)],
  ["loadDataset", "train_rows", "trainRows", (o) => loadDataset("tiny/news", o)],
  ["loadDataset's source", "revison", "revision", (o) => loadDataset({ hub: "a/b", ...o })],
  ["downloadModel", "end_point", "endpoint", (o) => downloadModel("a/b", o)],
  ["downloadAdapter", "rev", "revision", (o) => downloadAdapter("a/b", o)],
  [
    "publish",
    "commit_message",
    "commitMessage",
    (o) => publish({ repo: "a/b", folder, card: "", ...o }),
  ],
  ["modelCard", "licence", "license", (o) => modelCard(o)],
  ["showTable", "max_rows", "maxRows", (o) => showTable([{ a: 1 }], o)],
];

for (const [name, wrong, right, call] of CALLS) {
  Deno.test(`${name} refuses the option '${wrong}' and names '${right}'`, async () => {
    await assert.rejects(async () => await call({ [wrong]: 1 }), (error: Error) => {
      assert.equal(error.name, "TypeError");
      assert.match(error.message, new RegExp(`current value is '${wrong}'. `));
      assert.match(error.message, new RegExp(`Did you mean '${right}'\\?$`));
      return true;
    });
  });
}

Deno.test("checkOptions() lists every option and takes all that are known", () => {
  checkOptions("work", { a: undefined }, { a: true, b: true });
  assert.throws(() => checkOptions("work", { toString: 1 }, { a: true, bc: true }), {
    name: "TypeError",
    message: "Cannot work as an option must be one of a, bc: current value is 'toString'.",
  });
});
