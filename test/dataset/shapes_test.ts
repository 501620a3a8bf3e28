/** From a file of any number of classes to a trained adapter whose answers have the file's names. */
import assert from "node:assert/strict";
import { fetchBaseModel, profile } from "course";
import {
  addLora,
  classify,
  confusionMatrix,
  type DatasetOptions,
  evaluate,
  examples,
  loadClassifier,
  loadDataset,
  loadTokenizer,
  openDevice,
  tokenize,
  Trainer,
} from "lightweight-finetuning";
import { confusionChart } from "lightweight-finetuning/display";
import { temporaryFolder } from "../helpers/altered.ts";

await openDevice();
const base = await fetchBaseModel(profile("sample"));
const tokenizer = await loadTokenizer(base);

/** As many rows of each class. */
const classes = (...counts: number[]) =>
  counts.flatMap((rows, i) =>
    Array.from({ length: rows }, (_, row) => `row ${row} of ${i},class ${i}`)
  );

interface Shape {
  lines: string[];
  options?: DatasetOptions;
  labels: number | string[];
}

const SHAPES: Record<string, Shape> = {
  "two classes": { lines: ["text,label", ...classes(20, 20)], labels: 2 },
  "three classes": { lines: ["text,label", ...classes(15, 15, 15)], labels: 3 },
  "five classes": { lines: ["text,label", ...classes(9, 10, 11, 12, 13)], labels: 5 },
  "seven classes": { lines: ["text,label", ...classes(7, 7, 7, 7, 7, 7, 7)], labels: 7 },
  "twenty classes": { lines: ["text,label", ...classes(...new Array(20).fill(5))], labels: 20 },
  "511 rows of one class and 20 of another": {
    lines: ["text,label", ...classes(511, 20)],
    labels: 2,
  },
  "two columns of text": {
    lines: [
      "title;body;kind",
      ...Array.from({ length: 30 }, (_, i) => `t ${i};b ${i};${"xyz"[i % 3]}`),
    ],
    options: { textColumns: ["title", "body"], labelColumn: "kind" },
    labels: ["x", "y", "z"],
  },
  "ids out of order": {
    lines: [
      "text\tlabel",
      ...Array.from({ length: 33 }, (_, i) => `row ${i}\t${[10, 2, 0][i % 3]}`),
    ],
    labels: ["0", "2", "10"],
  },
};

for (const [shape, { lines, options, labels }] of Object.entries(SHAPES)) {
  Deno.test(`a file of ${shape} trains an adapter`, async () => {
    await using folder = await temporaryFolder();
    const file = `${folder.path}/own.csv`;
    await Deno.writeTextFile(file, lines.join("\n"));
    const dataset = await loadDataset(file, options);
    if (typeof labels === "number") assert.equal(dataset.labels.length, labels);
    else assert.deepEqual(dataset.labels, labels);
    const { train, evaluation, test } = dataset;
    assert.equal(train.height + evaluation.height + test.height, lines.length - 1);

    const model = await loadClassifier(base, { labels: dataset.labels });
    const adapter = addLora(model);
    const trainer = new Trainer(adapter, {
      trainDataset: examples(await tokenize(train, tokenizer)),
      evalDataset: examples(await tokenize(evaluation, tokenizer)),
      classWeights: "balanced",
      maxSteps: 2,
    });
    const { trainLoss } = await trainer.train();
    assert.ok(Math.abs(trainLoss - Math.log(dataset.labels.length)) < 0.5, `${trainLoss}`);
    const rows = examples(await tokenize(test, tokenizer));
    const { predictions } = await evaluate(adapter, rows);
    const matrix = confusionMatrix(rows.labels, predictions, dataset.labels.length);
    const { alt } = confusionChart(matrix, dataset.labels, "Test");
    for (const label of dataset.labels) assert.ok(alt!.includes(label));
    const [answer] = await classify(adapter, tokenizer, ["row 1"]);
    assert.ok(dataset.labels.includes(answer!.label));
    model.dispose();
  });
}
