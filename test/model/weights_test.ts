import assert from "node:assert/strict";
import { alteredCopy, temporaryFolder } from "../helpers/altered.ts";
import { ODD_CHECKPOINTS, writeOddCheckpoint } from "../helpers/checkpoints.ts";
import { assertClose, maxDifference } from "../helpers/close.ts";
import { printed } from "../helpers/printed.ts";
import { fixture, readReference } from "../helpers/reference.ts";
import { addLora, type Classifier, loadClassifier, saveModel } from "lightweight-finetuning";

for (const odd of ODD_CHECKPOINTS) {
  Deno.test(`loadClassifier() makes of ${odd.what} what Transformers makes, and says so`, async () => {
    const { isNew = [], unexpected = [], classes, labels } = odd;
    await using folder = await writeOddCheckpoint(odd);
    let model!: Classifier;
    const said = await printed(async () => {
      model = await loadClassifier(
        folder.path,
        classes ? { labels, ignoreMismatchedSizes: true } : {},
      );
    });
    assert.deepEqual(model.labels, labels);
    assert.deepEqual(new Set(model.newParameters), new Set(isNew));
    if (isNew.length) assert.ok(said.includes(`${isNew.join(", ")}: new, will be trained`), said);
    const ignored = said.match(/no place for are ignored: (.*)/)?.[1]?.split(", ") ?? [];
    assert.deepEqual(ignored.sort(), unexpected);
    if (!isNew.length && !unexpected.length) assert.equal(said, "");
    const { batch, numbers } = await readReference(odd.from);
    const logits = model.forward(batch()).dataSync();
    assert.ok(logits.every(Number.isFinite));
    const same = !isNew.length && labels.length === 4 && !odd.json?.num_hidden_layers;
    if (same) assertClose(logits, numbers("logits"), 1e-5);
  });
}

Deno.test("a new pooler is drawn like a head, from the seed, and is not held at four bits", async () => {
  await using folder = await writeOddCheckpoint(
    ODD_CHECKPOINTS.find(({ isNew }) => isNew?.[0] === "bert.pooler.dense.weight")!,
  );
  const pooler = async (options: { seed?: number; loadIn4bit?: boolean } = {}) => {
    const { parameters } = await loadClassifier(folder.path, options);
    assert.ok(parameters.get("bert.pooler.dense.bias")!.dataSync().every((x) => x === 0));
    return parameters.get("bert.pooler.dense.weight")!.dataSync<"float32">();
  };
  const weights = await pooler(); // 1,024 numbers: 3 % off is two errors
  const deviation = Math.sqrt(weights.reduce((sum, x) => sum + x * x, 0) / weights.length);
  assert.ok(Math.abs(deviation / 0.1 - 1) < 0.1, `${deviation}`);
  assert.deepEqual(await pooler({ seed: 42 }), weights);
  assert.ok(maxDifference(await pooler({ seed: 43 }), weights) > 0.1);
  assert.deepEqual(await pooler({ loadIn4bit: true }), weights);
});

Deno.test("loadClassifier() says that an adapter keeps a new pooler only if it is named, and it does then", async () => {
  await using folder = await alteredCopy(fixture("bert"), {
    tensors(tensors) {
      tensors.delete("bert.pooler.dense.weight");
    },
  });
  let model!: Classifier;
  const said = await printed(async () => void (model = await loadClassifier(folder.path)));
  assert.match(said, /the pooler is new. An adapter trains and saves it only if 'modulesToSave'/);
  const { parameters } = addLora(model, { modulesToSave: ["pooler"] });
  assert.equal(parameters.get("bert.pooler.dense.weight")!.trainable, true);
});

Deno.test("a model.safetensors goes before an index and its shards, as in Transformers", async () => {
  await using folder = await alteredCopy(fixture("bert/sharded"), {});
  const { batch, numbers } = await readReference("bert");
  const model = await loadClassifier(folder.path);
  assertClose(model.forward(batch()).dataSync(), numbers("logits"), 1e-5);
  const bias = model.parameters.get("classifier.bias")!;
  bias.assign(bias.add(1));
  await using saved = await temporaryFolder();
  await saveModel(model, saved.path);
  await Deno.copyFile(`${saved.path}/model.safetensors`, `${folder.path}/model.safetensors`);
  const again = await loadClassifier(folder.path);
  assert.deepEqual(again.forward(batch()).dataSync(), model.forward(batch()).dataSync());
});

const CONFIGS = ["", " ", "[]", "null", "3", '"bert"', "{", '{"model_type": "bert"', "{}{}", "\0"];
for (const text of CONFIGS) {
  Deno.test(`loadClassifier() names config.json where it is ${JSON.stringify(text)}`, async () => {
    await using folder = await alteredCopy(fixture("bert"), {});
    await Deno.writeTextFile(`${folder.path}/config.json`, text);
    await assert.rejects(loadClassifier(folder.path), (error: Error) => {
      const begin = `Cannot read ${folder.path}/config.json as it must hold a JSON object: ` +
        `current value is ${text.trim() || "empty"}`;
      assert.equal(error.name, "SyntaxError");
      assert.ok(error.message.startsWith(begin), error.message);
      assert.ok(error.message.endsWith(". Download or save it again"), error.message);
      return true;
    });
  });
}

const SHARD = "model-00002-of-00003.safetensors";
const INDICES: [what: string, index: unknown, error: RegExp][] = [
  ["{}", {}, /'weight_map' must name a file beside it .* current value is undefined. Download/],
  ["no weights", { weight_map: {} }, /'weight_map' must name .* current value is {}. Download/],
  ["a list", [], /index.json as it must hold a JSON object: current value is \[\]. Download/],
  ["a number for a file", { weight_map: { a: 3 } }, /'weight_map' .* current value is {"a":3}/],
  ["a list for the map", { weight_map: [[]] }, /'weight_map' must .* current value is \[\[\]\]/],
  [
    "a file outside",
    { weight_map: { a: "../model.safetensors" } },
    /'weight_map' must name a file beside it .* current value is {"a":"..\/model.safetensors"}/,
  ],
  [
    "no such file",
    { weight_map: { a: "gone.safetensors", b: SHARD } },
    /index.json as every file that it names must be beside it: missing are gone.safetensors. D/,
  ],
  [
    "few of its weights",
    { weight_map: { a: SHARD } },
    /must have all of the encoder's weights: missing are .* and \d+ more. Does config.json belong/,
  ],
];
for (const [what, index, error] of INDICES) {
  Deno.test(`loadClassifier() names an index that has ${what}`, async () => {
    await using folder = await alteredCopy(fixture("bert/sharded"), {});
    const path = `${folder.path}/model.safetensors.index.json`;
    await Deno.writeTextFile(path, JSON.stringify(index));
    await assert.rejects(loadClassifier(folder.path), { message: error });
  });
}

Deno.test("loadClassifier() names a shard that is missing, or that an index has twice under two names", async () => {
  await using folder = await alteredCopy(fixture("bert/sharded"), {});
  const index = `${folder.path}/model.safetensors.index.json`;
  const { weight_map } = JSON.parse(await Deno.readTextFile(index));
  const [first] = Object.keys(weight_map);
  await Deno.copyFile(`${folder.path}/${weight_map[first!]}`, `${folder.path}/copy.safetensors`);
  const withCopy = { weight_map: { ...weight_map, extra: "copy.safetensors" } };
  await Deno.writeTextFile(index, JSON.stringify(withCopy));
  await assert.rejects(loadClassifier(folder.path), {
    message: /copy.safetensors as it must have each weight once: '\S+' is a second '\S+'. Remove/,
  });
  await Deno.writeTextFile(index, JSON.stringify({ weight_map }));
  await Deno.remove(`${folder.path}/${SHARD}`);
  await assert.rejects(loadClassifier(folder.path), {
    name: "TypeError",
    message: `Cannot load ${index} as every file that it names must be beside it: missing are ` +
      `${SHARD}. Download them again`,
  });
});

Deno.test("loadClassifier() says how weights of another format become model.safetensors", async () => {
  await using folder = await temporaryFolder();
  await Deno.copyFile(fixture("bert/config.json"), `${folder.path}/config.json`);
  const message = (found: string) =>
    `Cannot load ${folder.path} as it must hold model.safetensors, or its index and shards: it has ` +
    `${found}. Download it again, or make them in Python: ` +
    "AutoModelForSequenceClassification.from_pretrained(folder).save_pretrained(folder)";
  await assert.rejects(loadClassifier(folder.path), { message: message("no weights") });
  for (const name of ["tf_model.h5", "pytorch_model.bin"]) {
    await Deno.writeTextFile(`${folder.path}/${name}`, "");
  }
  await assert.rejects(loadClassifier(folder.path), {
    name: "TypeError",
    message: message("pytorch_model.bin, tf_model.h5"),
  });
});
