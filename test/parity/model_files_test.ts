/**
 * Checkpoints that are not quite a classifier's, loaded here and by Transformers, and what each saves of them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ODD_CHECKPOINTS, type OddCheckpoint, writeOddCheckpoint } from "../helpers/checkpoints.ts";
import { assertClose } from "../helpers/close.ts";
import { logitsOf, parity, python, theirLogits, writeBatch } from "../helpers/live.ts";
import { readReference } from "../helpers/reference.ts";
import { loadClassifier, type ModelType, saveModel } from "lightweight-finetuning";
import { families } from "../../lib/model/families/families.ts";

/** Fields that a saved config.json would contradict. */
const CONTRADICTING: OddCheckpoint[] = [
  {
    what: "num_labels and two dtypes of the base, saved with other classes",
    from: "bert",
    json: {
      id2label: undefined,
      label2id: undefined,
      num_labels: 2,
      torch_dtype: "float16",
      dtype: "bfloat16",
      _name_or_path: "/elsewhere",
      architectures: ["BertForMaskedLM"],
    },
    classes: 4,
    labels: ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"],
  },
  {
    what: "an old torch_dtype",
    from: "roberta",
    json: { dtype: undefined, torch_dtype: "float32" },
    labels: ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"],
  },
];

parity("odd checkpoints load and are saved as by Transformers", async (folder) => {
  const cases = [...ODD_CHECKPOINTS, ...CONTRADICTING].map((odd, i) =>
    [odd, `${folder}/${i}`] as const
  );
  const ours = new Map<string, Float32Array>();
  for (const [odd, path] of cases) {
    const { labels, classes, isNew = [] } = odd;
    await using checkpoint = await writeOddCheckpoint(odd);
    const { batch } = await readReference(odd.from);
    await writeBatch(path, batch());
    await Deno.rename(checkpoint.path, `${path}/model`);
    await Deno.mkdir(checkpoint.path);
    await Deno.writeTextFile(`${path}/request.json`, JSON.stringify(classes ? labels : null));
    const options = classes ? { labels, ignoreMismatchedSizes: true } : {};
    const model = await loadClassifier(`${path}/model`, options);
    assert.deepEqual(new Set(model.newParameters), new Set(isNew), odd.what);
    ours.set(path, logitsOf(model, batch()));
    await saveModel(model, `${path}/saved`);
    model.dispose();
  }
  await python("model_files.py", ...cases.map(([, path]) => path));
  for (const [{ what, from, labels, isNew = [], unexpected = [] }, path] of cases) {
    const found = JSON.parse(await Deno.readTextFile(`${path}/found.json`));
    assert.deepEqual(found.labels, labels, what);
    assert.deepEqual(found.new, [...isNew].sort(), what);
    const { ignored } = families[from as ModelType];
    const surprising = found.unexpected.filter((name: string) => !ignored.test(name));
    assert.deepEqual(surprising, unexpected, what);
    const logits = await theirLogits(path);
    assertClose(ours.get(path)!, logits.get("ours")!, 1e-5, `${what}, saved`);
    if (!isNew.length) assertClose(ours.get(path)!, logits.get("theirs")!, 1e-5, what);

    assert.deepEqual(found.ours, found.read, what);
    const written = JSON.parse(await Deno.readTextFile(`${path}/saved/config.json`));
    // Transformers leaves names out that it would give itself.
    for (const field of ["id2label", "label2id"]) found.config[field] ??= written[field];
    for (const [field, value] of Object.entries(written)) {
      assert.deepEqual(found.config[field], value, `${what}: ${field}`);
    }
  }
});
