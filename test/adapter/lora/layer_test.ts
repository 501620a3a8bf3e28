import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import { assertClose } from "../../helpers/close.ts";
import { normal, uniform } from "../../helpers/noise.ts";
import { fixture } from "../../helpers/reference.ts";
import { addLora, createRandom, loadClassifier, type LoraConfig } from "lightweight-finetuning";

const OPTIONS: Partial<LoraConfig>[] = [{}, { useRslora: true }, { useDora: true }];

for (const loadIn4bit of [false, true]) {
  for (const option of OPTIONS) {
    const what = `${JSON.stringify(option)}${loadIn4bit ? " on weights at four bits" : ""}`;
    Deno.test(`an adapted layer's weight() is what apply() multiplies by, with ${what}`, async () => {
      const model = await loadClassifier(fixture("bert"), { loadIn4bit });
      const adapter = addLora(model, { r: 3, loraAlpha: 5, initLoraWeights: false, ...option });
      const [module, { base, adapted, magnitude }] = [...adapter.layers][0]!;
      magnitude?.assign(tf.mul(magnitude, uniform(createRandom(1), [32])));
      const x = normal<tf.Rank.R2>(createRandom(2), [5, 32]);
      const bias = model.parameters.get(`${module}.bias`)!;
      const expected = tf.add(tf.matMul(x, adapted.weight(), false, true), bias).dataSync();
      assertClose(adapted.apply(x).dataSync(), expected, 1e-5);
      assert.ok(tf.max(tf.abs(tf.sub(adapted.weight(), base.weight()))).dataSync()[0]! > 0.01);
    });
  }
}

Deno.test("dropout touches the adapter's input alone", async () => {
  const { layers } = addLora(await loadClassifier(fixture("bert")), { loraDropout: 0.5 });
  const { base, adapted, B } = [...layers.values()][0]!;
  const x = normal<tf.Rank.R2>(createRandom(2), [5, 32]);
  const dropped = () => adapted.apply(x, createRandom(3)).dataSync();
  assert.deepEqual(dropped(), base.apply(x).dataSync()); // B is zero
  B.assign(tf.ones(B.shape));
  assert.notDeepEqual(dropped(), adapted.apply(x).dataSync());
  assert.deepEqual(dropped(), dropped());
});
