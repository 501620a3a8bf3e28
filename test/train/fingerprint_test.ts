import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cp } from "node:fs/promises";
import * as tf from "@tensorflow/tfjs-core";
import {
  addLora,
  loadClassifier,
  openDevice,
  type TextModel,
  Trainer,
  type TrainerOptions,
} from "lightweight-finetuning";
import { hashOfRows } from "../../lib/train/fingerprint.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { fixture } from "../helpers/reference.ts";
import { crash, resumable } from "../helpers/resumable.ts";

await openDevice();

const { options: given } = await resumable("full");
const { inputIds, labels } = given.trainDataset;

const full = () => loadClassifier(fixture("bert"));
const lora = async (loraAlpha = 8, baseModelNameOrPath = "") =>
  addLora(await full(), { loraDropout: 0.1, loraAlpha, baseModelNameOrPath });

interface Other {
  /** How the run was before. */
  way: "full" | "lora";
  load?: () => Promise<TextModel>;
  options?: Partial<TrainerOptions>;
  /** How the difference is told. */
  said: RegExp;
}

/** What may be accepted, by its name. */
const CHANGES: Record<string, Other> = {
  learningRate: {
    way: "full",
    options: { learningRate: 5e-4 },
    said: /: learningRate was 0\.001 and is 0\.0005\./,
  },
  earlyStoppingPatience: {
    way: "full",
    options: { earlyStoppingPatience: 3 },
    said: /: earlyStoppingPatience was Infinity and is 3\./,
  },
  classWeights: {
    way: "full",
    options: { classWeights: "balanced" },
    said: /: classWeights was null and is balanced\./,
  },
  bf16: {
    way: "full",
    options: { bf16: true },
    said: /: bf16 was false and is true\./,
  },
  train: {
    way: "full",
    options: { trainDataset: { inputIds: inputIds.slice(1), labels: Array.from(labels).slice(1) } },
    said: /: train was 40 rows, sha256 [0-9a-f]{16} and is 39 rows, sha256 [0-9a-f]{16}\./,
  },
  evaluation: {
    way: "full",
    options: { evalDataset: { inputIds, labels: Array.from(labels, (label) => 3 - label) } },
    said: /: evaluation was 40 rows, sha256 ([0-9a-f]{16}) and is 40 rows, sha256 (?!\1)\w{16}\./,
  },
  "config.hiddenDropoutProb": {
    way: "full",
    async load() {
      const model = await full();
      return { ...model, config: { ...model.config, hiddenDropoutProb: 0.2 } };
    },
    said: /: config\.hiddenDropoutProb was 0\.1 and is 0\.2\./,
  },
  "lora.loraAlpha": {
    way: "lora",
    load: () => lora(16),
    said: /: lora\.loraAlpha was 8 and is 16\./,
  },
  frozen: {
    way: "lora",
    async load() {
      const adapter = await lora();
      const frozen = adapter.parameters.get("bert.pooler.dense.bias")!;
      tf.tidy(() => frozen.assign(tf.add(frozen, 1e-6)));
      return adapter;
    },
    said: /: frozen was sha256 ([0-9a-f]{16}) and is sha256 (?!\1)\w{16}\./,
  },
};

async function crashedAt3(way: string) {
  const folder = await temporaryFolder();
  await crash(folder.path, 3, { loadBestModelAtEnd: false }, way);
  return folder;
}

const stopAtOnce: TrainerOptions["listeners"] = [
  ({ type }) => type === "step" ? "stop" : undefined,
];

Deno.test("Trainer refuses a checkpoint of another run and names the difference, unless accepted", async (t) => {
  await using folders = new AsyncDisposableStack();
  const crashed = {
    full: folders.use(await crashedAt3("full")),
    lora: folders.use(await crashedAt3("lora")),
  };
  for (const [name, { way, load, options, said }] of Object.entries(CHANGES)) {
    await t.step(name, async () => {
      await using folder = await temporaryFolder();
      await cp(crashed[way].path, folder.path, { recursive: true });
      const all = { ...given, outputDir: folder.path, listeners: stopAtOnce, ...options };
      const model = await (load ?? full)();
      await assert.rejects(new Trainer(model, all).train(), (error: Error) => {
        assert.match(error.message, said);
        const start = `Cannot resume from ${folder.path}/checkpoint-2 as the run must be the one`;
        assert.ok(error.message.startsWith(start), error.message);
        return true;
      });
      const { step } = await new Trainer(model, { ...all, acceptChanges: [name] }).train();
      assert.equal(step, 3);
    });
  }
});

Deno.test("Trainer never accepts other parameters", async () => {
  await using folder = await crashedAt3("full");
  const five = () => loadClassifier(`${fixture("bert")}/encoder`, { labels: [..."abcde"] });
  const others = {
    adapter: [lora, /: trained\.\S+ was absent and is \[\S+\]; .* \(and 42 more\)\./],
    "five classes": [five, /: trained\.classifier\.weight was \[4,32\] and is \[5,32\]; /],
  } as const;
  for (const [what, [load, said]] of Object.entries(others)) {
    const trainer = new Trainer(await load(), {
      ...given,
      outputDir: folder.path,
      acceptChanges: { includes: () => true } as unknown as string[],
    });
    await assert.rejects(trainer.train(), said, what);
  }
});

Deno.test("Trainer does not mind names, folders, listeners, and how often it saves", async () => {
  await using folder = await crashedAt3("lora");
  const { step } = await new Trainer(await lora(8, "some/model"), {
    ...given,
    outputDir: folder.path,
    saveSteps: 5,
    saveTotalLimit: 1,
    listeners: stopAtOnce,
  }).train();
  assert.equal(step, 3);
});

Deno.test("hashOfRows() is that of each row's length and ids, in arrays or views, and of the classes", () => {
  const inputIds = [[7], [], [1, 2, 3, 30_000], [5, 6]];
  const labels = [0, 2, 1, 0];
  const numbers = [...inputIds.flatMap((ids) => [ids.length, ...ids]), ...labels];
  const digest = createHash("sha256").update(Int32Array.from(numbers)).digest("hex");
  const expected = `4 rows, sha256 ${digest.slice(0, 16)}`;
  assert.equal(hashOfRows({ inputIds, labels }), expected);
  const flat = Int32Array.from(inputIds.flat());
  let end = 0;
  const views = inputIds.map(({ length }) => flat.subarray(end, end += length));
  assert.equal(hashOfRows({ inputIds: views, labels: Int32Array.from(labels) }), expected);
});
