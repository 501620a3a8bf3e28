import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { classify, collate, loadClassifier, loadTokenizer } from "lightweight-finetuning";
import { assertClose } from "../helpers/close.ts";
import { fixture } from "../helpers/reference.ts";

const tokenizer = await loadTokenizer(fixture("hub/models/tiny/wordpiece"));
const model = await loadClassifier(fixture("bert"), { labels: ["a", "b", "c", "d"] });
const TEXTS = ["the bank rose", "a goal"];

Deno.test("classify() gives each text's classes by their probability, as the model calls them", async () => {
  const ranked = await classify(model, tokenizer, TEXTS, { topK: Infinity });
  const [inputIds, labels] = [await tokenizer.encode(TEXTS), [0, 0]];
  for (const [row, classes] of ranked.entries()) {
    const batch = collate({ inputIds, labels }, [row], model.config.padTokenId);
    const expected = tf.tidy(() => tf.softmax(model.forward(batch)).dataSync());
    assert.deepEqual(classes.map(({ label }) => label).sort(), model.labels);
    for (const { label, score } of classes) {
      assertClose([score], [expected[model.labels.indexOf(label)]!], 1e-6);
    }
    const scores = classes.map(({ score }) => score);
    assert.deepEqual(scores, scores.toSorted((a, b) => b - a));
  }
  const two = await classify(model, tokenizer, TEXTS, { topK: 2, batchSize: 1 });
  assert.deepEqual(two.map((classes) => classes.length), [2, 2]);
  const best = await classify(model, tokenizer, TEXTS);
  assert.deepEqual(best.map(({ label }) => label), ranked.map(([first]) => first!.label));
  assert.deepEqual(await classify(model, tokenizer, []), []);
});

Deno.test("classify() refuses a topK that is no number of classes", async () => {
  for (const topK of [0, -1, 1.5, NaN]) {
    await assert.rejects(classify(model, tokenizer, TEXTS, { topK }), {
      name: "RangeError",
      message: "Cannot classify as 'topK' must be a whole number above 0 or Infinity: " +
        `current value is ${topK}`,
    });
  }
});
