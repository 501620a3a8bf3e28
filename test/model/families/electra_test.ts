import assert from "node:assert/strict";
import { alteredCopy } from "../../helpers/altered.ts";
import { assertClose } from "../../helpers/close.ts";
import { readReference } from "../../helpers/reference.ts";
import { loadClassifier, type StoredTensor } from "lightweight-finetuning";

Deno.test("loadClassifier() reads ELECTRA with embeddings of the hidden size, which are not projected", async () => {
  const reference = await readReference("electra");
  const model = await loadClassifier(`${reference.folder}/same-size`);
  assert.ok(![...model.linears.keys()].some((module) => module.includes("embeddings")));
  const logits = model.forward(reference.batch()).dataSync();
  assertClose(logits, reference.numbers("same-size.logits"), 1e-5);
  const { linears } = await loadClassifier(reference.folder);
  assert.deepEqual(linears.get("electra.embeddings_project")!.shape, [16, 8]);
});

Deno.test("loadClassifier() reads ELECTRA's generator too", async () => {
  const reference = await readReference("electra");
  await using generator = await alteredCopy(`${reference.folder}/encoder`, {
    tensors(tensors) {
      for (const [name, tensor] of [...tensors]) {
        if (!name.startsWith("discriminator_predictions.")) continue;
        tensors.delete(name);
        tensors.set(name.replace("discriminator", "generator"), tensor);
      }
      const bias: StoredTensor = { dtype: "F32", shape: [1], data: new Float32Array(1) };
      tensors.set("generator_lm_head.bias", bias);
    },
  });
  const model = await loadClassifier(generator.path, { labels: [..."abcd"] });
  const head = ["dense.weight", "dense.bias", "out_proj.weight", "out_proj.bias"];
  assert.deepEqual(model.newParameters, head.map((name) => `classifier.${name}`));
});
