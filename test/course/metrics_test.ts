import assert from "node:assert/strict";
import {
  buildMetrics,
  defaultSettings,
  METHOD_KEYS,
  profile,
  readMetrics,
  readResult,
  writeMetrics,
  writeResult,
} from "course";
import { wilsonInterval } from "lightweight-finetuning";
import { temporaryFolder } from "../helpers/altered.ts";

const train = {
  trainRuntime: 16.9,
  trainSamplesPerSecond: 56.8,
  trainStepsPerSecond: 3.5,
  totalFlos: 2.9e12,
  trainLoss: 1.06,
  epoch: 2,
  step: 60,
  stopped: false,
};

/** Of a run without the adapter on four bits. */
const run = { ...profile("sample"), settings: defaultSettings("sample") };
const metrics = buildMetrics(run, { toString: () => "CPU 0" }, 80, {
  full: { evaluation: { accuracy: 0.95, loss: 0.4 }, trainableParameters: 2e7, train },
  lora: { evaluation: { accuracy: 0.9, loss: 0.6 }, trainableParameters: 7e4, train },
  base: { evaluation: { accuracy: 0.25, loss: 1.39 } },
});

Deno.test("buildMetrics() tells of each method what was measured, in the methods' order", () => {
  const { date, ...others } = metrics;
  assert.match(date, /^\d{4}-\d\d-\d\d$/);
  assert.deepEqual(others, {
    profile: "sample",
    device: "CPU 0",
    settings: defaultSettings("sample"),
    model: "sentence-transformers/all-MiniLM-L6-v2",
    testRows: 80,
    accuracy: { base: 0.25, lora: 0.9, full: 0.95 },
    loss: { base: 1.39, lora: 0.6, full: 0.4 },
    intervals: {
      base: wilsonInterval(0.25, 80),
      lora: wilsonInterval(0.9, 80),
      full: wilsonInterval(0.95, 80),
    },
    trainableParameters: { lora: 7e4, full: 2e7 },
    train: { lora: train, full: train },
  });
  assert.deepEqual(METHOD_KEYS, ["base", "lora4bit", "lora", "full"]);
  assert.deepEqual(Object.keys(metrics.accuracy), ["base", "lora", "full"]);
});

Deno.test("readMetrics() reads what writeMetrics() wrote, over an older file too", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/metrics.json`;
  await writeMetrics(path, metrics);
  assert.deepEqual(await readMetrics(path), JSON.parse(JSON.stringify(metrics)));
  const merged = { ...metrics, mergedChange: 6e-7 };
  await writeMetrics(path, merged);
  assert.deepEqual(await readMetrics(path), JSON.parse(JSON.stringify(merged)));
  assert.deepEqual(Array.from(Deno.readDirSync(folder.path), ({ name }) => name), ["metrics.json"]);
});

Deno.test("readMetrics() says what is wrong, and which notebook to run again", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/metrics.json`;
  const wrong: [content: unknown, fault: RegExp][] = [
    [null, /'profile' must be a text: current value is undefined/],
    [{ ...metrics, device: 1 }, /'device' must be a text: current value is 1/],
    [
      { ...metrics, settings: "r 8" },
      /'settings' must be an object, or absent: current value is "r 8"/,
    ],
    [{ ...metrics, testRows: "80" }, /'testRows' must be a number: current value is "80"/],
    [{ ...metrics, accuracy: 0.9 }, /'accuracy' must be a number by method: current value is 0\.9/],
    [{ ...metrics, accuracy: { lora: "0.9" } }, /'accuracy' must be .* is {"lora":"0\.9"}/],
    [{ ...metrics, intervals: { lora: [0.9] } }, /'intervals' must be two numbers by method/],
    [{ ...metrics, train: { full: { ...train, step: null } } }, /'train' must be trainRuntime, .*/],
    [{ ...metrics, mergedChange: "none" }, /'mergedChange' must be a number, or absent/],
  ];
  const again = /\. Run the notebook 05-evaluate again$/;
  for (const [content, fault] of wrong) {
    await Deno.writeTextFile(path, JSON.stringify(content));
    await assert.rejects(readMetrics(path), { message: fault });
    await assert.rejects(readMetrics(path), { message: again });
  }
  await Deno.writeTextFile(path, '{ "profile": "sam');
  await assert.rejects(readMetrics(path), { message: again });
  await Deno.remove(path);
  await assert.rejects(readMetrics(path), { message: again });
});

Deno.test("readResult() reads what writeResult() wrote, and names the method's notebook", async () => {
  await using folder = await temporaryFolder();
  const run = { folder: folder.path, settings: defaultSettings("sample") };
  await Deno.mkdir(`${folder.path}/tokens`);
  await Deno.writeTextFile(`${folder.path}/tokens/dataset.json`, "{}");
  await writeResult(run, "lora4bit", train);
  assert.deepEqual(await readResult(run, "lora4bit"), train);
  const other = { ...run, settings: { ...run.settings, r: 16 } };
  await assert.rejects(readResult(other, "lora4bit"), { message: /\(r 8, now 16\)/ });
  await Deno.truncate(`${folder.path}/lora-4bit/result.json`, 20);
  const again = /Run the notebook 04-lora-finetune again$/;
  await assert.rejects(readResult(run, "lora4bit"), { message: again });
  await assert.rejects(readResult(run, "full"), { message: /03-full-finetune again/ });
});
