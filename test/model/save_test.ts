import assert from "node:assert/strict";
import {
  type Adapter,
  addIa3,
  addLora,
  type Classifier,
  loadClassifier,
  loadTokenizer,
  mergeAdapter,
  saveAdapter,
  saveModel,
} from "lightweight-finetuning";
import { alteredCopy, temporaryFolder } from "../helpers/altered.ts";
import { fixture, KINDS, readReference } from "../helpers/reference.ts";

const tokenizer = await loadTokenizer(fixture("hub/models/tiny/wordpiece"));
const LABELS = ["World", "Sports", "Business", "Sci/Tech"];

for (const kind of KINDS) {
  Deno.test(`saveModel() writes ${kind} as Transformers does`, async () => {
    await using folder = await temporaryFolder();
    const reference = await readReference(kind);
    const [path, from] = [`${folder.path}/a/model`, reference.folder];
    await saveModel(await loadClassifier(from), path);
    const [written, expected] = await Promise.all(
      [path, from].map((folder) => Deno.readFile(`${folder}/model.safetensors`)),
    );
    assert.ok(written!.length === expected!.length && written!.every((x, i) => x === expected![i]));
    const json = async (folder: string) =>
      JSON.parse(await Deno.readTextFile(`${folder}/config.json`));
    const config = { ...await json(from), problem_type: "single_label_classification" };
    assert.deepEqual(await json(path), config);
  });

  Deno.test(`saveModel() keeps a new head of ${kind} and its labels`, async () => {
    await using folder = await temporaryFolder();
    const { folder: from, batch } = await readReference(kind);
    await using bare = await alteredCopy(`${from}/encoder`, { json: { architectures: ["Other"] } });
    const model = await loadClassifier(bare.path, { labels: LABELS });
    await saveModel(model, `${folder.path}/model`, tokenizer);
    const again = await loadClassifier(`${folder.path}/model`);
    assert.deepEqual(again.newParameters, []);
    assert.deepEqual(again.labels, LABELS);
    assert.deepEqual(again.forward(batch()).dataSync(), model.forward(batch()).dataSync());
    const config = JSON.parse(await Deno.readTextFile(`${folder.path}/model/config.json`));
    assert.deepEqual(config.id2label, { 0: "World", 1: "Sports", 2: "Business", 3: "Sci/Tech" });
    assert.deepEqual(config.label2id, { World: 0, Sports: 1, Business: 2, "Sci/Tech": 3 });
    const { architectures } = JSON.parse(await Deno.readTextFile(`${from}/config.json`));
    assert.deepEqual(config.architectures, architectures);
    for (const file of tokenizer.files) {
      const copy = `${folder.path}/model/${file.split("/").at(-1)}`;
      assert.deepEqual(await Deno.readFile(copy), await Deno.readFile(file));
    }
  });
}

const ADAPTERS: [first: string, add: (model: Classifier) => Adapter][] = [
  ["self.query.lora_A.weight", addLora],
  ["output.dense.ia3_l", addIa3],
];

for (const [first, add] of ADAPTERS) {
  Deno.test(`saveModel() refuses an adapter with ${first} until it is merged`, async () => {
    await using folder = await temporaryFolder();
    const model = await loadClassifier((await readReference("bert")).folder);
    const adapter = add(model);
    await assert.rejects(saveModel(model, folder.path), {
      message: `Cannot save the model as 'bert.encoder.layer.0.attention.${first}' ` +
        "must be merged first. Call mergeAdapter, or save the adapter with saveAdapter",
    });
    assert.deepEqual([...Deno.readDirSync(folder.path)], []);
    await mergeAdapter(adapter);
    await saveModel(model, folder.path);
    assert.deepEqual((await loadClassifier(folder.path)).newParameters, []);
  });
}

// test/parity/model_files_test.ts has the same from Transformers itself.
Deno.test("saveModel() writes no field of the base that contradicts the saved model's", async () => {
  await using folder = await temporaryFolder();
  const before = JSON.parse(await Deno.readTextFile(fixture("bert/encoder/config.json")));
  await using base = await alteredCopy(fixture("bert/encoder"), {
    json: {
      id2label: undefined,
      label2id: undefined,
      num_labels: 2,
      _num_labels: 2,
      torch_dtype: "float16",
      dtype: "bfloat16",
      architectures: ["BertForMaskedLM"],
      _name_or_path: "/elsewhere",
      problem_type: null,
    },
  });
  await saveModel(await loadClassifier(base.path, { labels: LABELS }), folder.path);
  assert.deepEqual(JSON.parse(await Deno.readTextFile(`${folder.path}/config.json`)), {
    ...before,
    dtype: "float32",
    architectures: ["BertForSequenceClassification"],
    id2label: { 0: "World", 1: "Sports", 2: "Business", 3: "Sci/Tech" },
    label2id: { World: 0, Sports: 1, Business: 2, "Sci/Tech": 3 },
    problem_type: "single_label_classification",
  });
});

Deno.test("saveModel() over shards leaves neither them nor their index, and what was saved loads", async () => {
  await using folder = await alteredCopy(fixture("bert/sharded"), {});
  for (const name of ["pytorch_model.bin", "notes.md"]) {
    await Deno.writeTextFile(`${folder.path}/${name}`, name);
  }
  const model = await loadClassifier(folder.path);
  const bias = model.parameters.get("classifier.bias")!;
  bias.assign(bias.add(1));
  await saveModel(model, folder.path);
  const names = Array.from(Deno.readDirSync(folder.path), ({ name }) => name).sort();
  assert.deepEqual(names, ["config.json", "model.safetensors", "notes.md", "pytorch_model.bin"]);
  const { parameters } = await loadClassifier(folder.path);
  assert.deepEqual(parameters.get("classifier.bias")!.dataSync(), bias.dataSync());
});

Deno.test("saveModel() refuses a folder with an adapter, which would be loaded onto the model", async () => {
  await using folder = await temporaryFolder();
  const model = await loadClassifier(fixture("bert"));
  await saveAdapter(addLora(model), folder.path);
  const files = [...Deno.readDirSync(folder.path)];
  await assert.rejects(saveModel(await loadClassifier(fixture("bert")), folder.path), {
    message: `Cannot save the model as ${folder.path} must not hold an adapter: it has ` +
      "adapter_config.json, and the adapter would be loaded onto the saved model. Save to another " +
      "folder, or remove the adapter",
  });
  assert.deepEqual([...Deno.readDirSync(folder.path)], files);
});
