/**
 * What is published, read by Transformers, peft and huggingface_hub, and theirs read here: all through
 * the Hub on loopback, which so shows that it speaks as Python expects.
 *
 * @module
 */
import assert from "node:assert/strict";
import { assertClose } from "../helpers/close.ts";
import { serveHub } from "../helpers/hub_server.ts";
import { fixture, readReference } from "../helpers/reference.ts";
import { logitsOf, parity, python, report, theirLogits, writeBatch } from "../helpers/live.ts";
import { modelCard, type RunMetrics } from "course";
import {
  downloadModel,
  loadAdapter,
  loadClassifier,
  loadTokenizer,
  mergeAdapter,
  saveModel,
} from "lightweight-finetuning";
import { publish } from "lightweight-finetuning/hub";

const TOKENIZER = await loadTokenizer(fixture("hub/models/tiny/wordpiece"));
const DATASET = { hub: "me/news", revision: "0123456789012345678901234567890123456789" };
const LABELS = ["World", 'Sports: "all"', "Sci/Tech # 1", "Business – 2"];
const METRICS: RunMetrics = {
  profile: "test",
  model: "me/base",
  device: "CPU",
  date: "2001-02-03",
  testRows: 3800,
  accuracy: { lora: 0.8913157894736842 },
  intervals: { lora: [0.881021809829484, 0.9008193978413133] },
  loss: { lora: 1 / 3 },
  trainableParameters: { lora: 75268 },
  train: {
    lora: {
      trainRuntime: 507.6,
      trainSamplesPerSecond: 15.8,
      trainStepsPerSecond: 1,
      totalFlos: 0,
      trainLoss: 0.468,
      epoch: 1,
      step: 500,
      stopped: false,
    },
  },
};

parity("what publish() sends is read by Transformers, peft and huggingface_hub", async (folder) => {
  const reference = await readReference("bert");
  const [run, served] = [`${folder}/run`, `${folder}/served`];
  await writeBatch(run, reference.batch());
  await Deno.mkdir(served);
  const model = await loadClassifier(reference.folder);
  await saveModel(model, `${run}/model`, TOKENIZER);
  const adapter = await loadAdapter(model, `${reference.folder}/adapter`);
  const ours = new Map([["me/adapter", logitsOf(adapter, reference.batch())]]);
  await mergeAdapter(adapter);
  ours.set("me/merged", logitsOf(model, reference.batch()));
  await saveModel(model, `${run}/merged`, TOKENIZER);

  const hub = serveHub(served);
  const options = { endpoint: hub.url, token: "hf_parity", offline: false };
  const about = {
    method: "lora",
    labels: LABELS,
    dataset: DATASET,
    settings: {},
    metrics: METRICS,
  } as const;
  for (
    const [repo, libraryName, folder] of [
      ["me/adapter", "peft", `${reference.folder}/adapter`],
      ["me/merged", "transformers", `${run}/merged`],
    ] as const
  ) {
    const card = modelCard({ ...about, repo, libraryName });
    await publish({ ...options, repo, folder, card });
  }
  await python("hub.py", run, hub.url);
  const cacheFolder = `${folder}/cache`;
  const theirs = await loadClassifier(
    await downloadModel("me/theirs", { ...options, cacheFolder }),
  );
  await hub.close();

  const logits = await theirLogits(run);
  const cards = JSON.parse(await Deno.readTextFile(`${run}/cards.json`));
  for (const [repo, expected] of ours) {
    report(`logits of ${repo}, published`, assertClose(logits.get(repo)!, expected, 1e-5));
    assert.deepEqual(cards[repo], {
      base_model: METRICS.model,
      library_name: repo === "me/adapter" ? "peft" : "transformers",
      datasets: [DATASET.hub],
      model_name: repo.split("/")[1],
      results: [
        ["text-classification", DATASET.hub, DATASET.revision, "accuracy", METRICS.accuracy.lora],
        ["text-classification", DATASET.hub, DATASET.revision, "loss", METRICS.loss.lora],
      ],
    });
  }
  const sent = await loadClassifier(reference.folder);
  assert.deepEqual(logitsOf(theirs, reference.batch()), logitsOf(sent, reference.batch()));
});
