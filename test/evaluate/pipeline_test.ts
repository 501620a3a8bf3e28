import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import {
  addLora,
  classify,
  loadAdapter,
  loadClassifier,
  loadPipeline,
  loadTokenizer,
  saveAdapter,
  saveModel,
} from "lightweight-finetuning";
import { temporaryFolder } from "../helpers/altered.ts";
import { fixture } from "../helpers/reference.ts";
import { withHub } from "../helpers/with_hub.ts";

const TEXTS = ["the bank rose", "a goal"];
const LABELS = ["World", "Sports", "Business", "Sci/Tech"];
const tokenizer = await loadTokenizer(fixture("hub/models/tiny/wordpiece"));

Deno.test("loadPipeline() of a saved model answers with that model's labels", async () => {
  await using folder = await temporaryFolder();
  const model = await loadClassifier(fixture("bert"), { labels: LABELS });
  await saveModel(model, folder.path, tokenizer);
  const pipeline = await loadPipeline(folder.path);
  assert.deepEqual(await pipeline(TEXTS), await classify(model, tokenizer, TEXTS));
  assert.deepEqual(
    await pipeline(TEXTS, { topK: 3 }),
    await classify(model, tokenizer, TEXTS, { topK: 3 }),
  );
});

Deno.test("loadPipeline() of an adapter loads its base too, from a folder or the Hub", async () => {
  await using folder = await temporaryFolder();
  const [base, saved] = [`${folder.path}/base`, `${folder.path}/adapter`];
  await saveModel(
    await loadClassifier(fixture("bert/encoder"), { labels: LABELS }),
    base,
    tokenizer,
  );
  const model = await loadClassifier(base, { labels: LABELS });
  const adapter = addLora(model, { initLoraWeights: false, baseModelNameOrPath: base });
  await saveAdapter(adapter, saved);
  const expected = await classify(adapter, tokenizer, TEXTS);
  const scores = (answers: { score: number }[]) => answers.map(({ score }) => score);

  assert.deepEqual(await (await loadPipeline(saved, { labels: LABELS }))(TEXTS), expected);
  assert.deepEqual(await (await loadPipeline(saved))(TEXTS), expected);
  const config = JSON.parse(await Deno.readTextFile(`${base}/config.json`));
  await Deno.mkdir(`${folder.path}/headless`);
  for (const file of tokenizer.files) {
    await Deno.copyFile(file, `${folder.path}/headless/${file.split("/").at(-1)}`);
  }
  await Deno.copyFile(
    fixture("bert/encoder/model.safetensors"),
    `${folder.path}/headless/model.safetensors`,
  );
  await Deno.writeTextFile(
    `${folder.path}/headless/config.json`,
    JSON.stringify({ ...config, id2label: undefined }),
  );
  const unnamed = await (await loadPipeline(saved, { base: `${folder.path}/headless` }))(TEXTS);
  assert.deepEqual(scores(unnamed), scores(expected));
  assert.deepEqual(
    unnamed.map(({ label }) => label),
    expected.map(({ label }) => `LABEL_${LABELS.indexOf(label)}`),
  );

  await Deno.mkdir(`${folder.path}/hub/models/me`, { recursive: true });
  await Deno.rename(saved, `${folder.path}/hub/models/me/adapter`);
  await withHub(async (_, options) => {
    const pipeline = await loadPipeline("me/adapter", { ...options, labels: LABELS });
    assert.deepEqual(await pipeline(TEXTS), expected);
  }, `${folder.path}/hub`);
});

Deno.test("loadPipeline() says what an adapter without a base lacks", async () => {
  await using folder = await temporaryFolder();
  await saveAdapter(addLora(await loadClassifier(fixture("bert"))), folder.path);
  await assert.rejects(loadPipeline(folder.path), {
    name: "TypeError",
    message: /'base_model_name_or_path' .* must name the adapter's base: current value is ""/,
  });
});

Deno.test(
  "a name on the Hub loads model, tokenizer and adapter; a tokenizer brings no weights",
  async () => {
    await using served = await temporaryFolder();
    const saved = await loadClassifier(fixture("bert"), { labels: LABELS });
    await saveModel(saved, `${served.path}/models/me/news`, tokenizer);
    await withHub(async (hub, options) => {
      const repository = { ...options, revision: "main" };
      const ofHub = await loadTokenizer("me/news", repository);
      assert.deepEqual(await ofHub.encode(TEXTS), await tokenizer.encode(TEXTS));
      assert.equal(hub.requests.some(({ path }) => path.includes("safetensors")), false);
      const model = await loadClassifier("me/news", repository);
      assert.deepEqual(model.labels, LABELS);
      await assert.rejects(loadAdapter(model, "me/nothing", repository), {
        message: /me\/nothing/,
      });
    }, served.path);
  },
);

Deno.test("what is neither a folder nor a name is refused, and so is a folder's revision", async () => {
  await assert.rejects(loadClassifier("no/such/folder"), {
    name: "TypeError",
    message: "Cannot load a model or an adapter as its source must be a folder or " +
      "organisation/name on the Hub: current value is 'no/such/folder', and there is no such folder",
  });
  await assert.rejects(loadTokenizer(fixture("bert"), { revision: "main" }), {
    name: "RangeError",
    message: /'revision' must be left out for a folder: current value is main/,
  });
});

Deno.test("loadPipeline() leaves no tensor where a part is missing", async () => {
  await using folder = await temporaryFolder();
  const model = await loadClassifier(fixture("bert"));
  await saveModel(model, folder.path);
  const before = tf.memory().numTensors;
  await assert.rejects(loadPipeline(folder.path), /must hold tokenizer.json/);
  await saveModel(model, folder.path, tokenizer);
  await assert.rejects(loadPipeline(fixture("lora/dora"), { base: folder.path, labels: ["a"] }));
  assert.equal(tf.memory().numTensors, before);
});

Deno.test("loadPipeline() lays an adapter's head over a base's head of other classes", async () => {
  await using folder = await temporaryFolder();
  const [base, saved, other] = ["base", "adapter", "other"].map((name) => `${folder.path}/${name}`);
  const options = { labels: LABELS };
  await saveModel(await loadClassifier(fixture("bert"), options), base!, tokenizer);
  const adapter = addLora(await loadClassifier(base!), { initLoraWeights: false });
  await saveAdapter(adapter, saved!);
  const three = { labels: LABELS.slice(0, 3), ignoreMismatchedSizes: true };
  await saveModel(await loadClassifier(base!, three), other!, tokenizer);
  const pipeline = await loadPipeline(saved!, { base: other!, ...options });
  assert.deepEqual(await pipeline(TEXTS), await classify(adapter, tokenizer, TEXTS));
  const { model } = await loadPipeline(saved!, { base: other! });
  assert.deepEqual(model.labels, ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"]);
  await assert.rejects(loadPipeline(saved!, { base: other!, labels: [...LABELS, "x"] }), {
    message: /'classifier.\w+' must be \[5.*\]: current value is \[4/,
  });
});

Deno.test("loadPipeline() names an adapter_config.json that is damaged, or has no name for its base", async () => {
  await using folder = await temporaryFolder();
  await saveAdapter(addLora(await loadClassifier(fixture("bert"))), folder.path);
  const path = `${folder.path}/adapter_config.json`;
  const config = JSON.parse(await Deno.readTextFile(path));
  const refused = async (text: string, message: string | RegExp) => {
    await Deno.writeTextFile(path, text);
    await assert.rejects(loadPipeline(folder.path), { message });
  };
  await refused(
    "[]",
    `Cannot read ${path} as it must hold a JSON object: current value is []. Download or save it again`,
  );
  for (const value of [null, 3, {}, ""]) {
    await refused(
      JSON.stringify({ ...config, base_model_name_or_path: value }),
      new RegExp(
        `must name the adapter's base: current value is ${RegExp.escape(JSON.stringify(value))}`,
      ),
    );
  }
});
