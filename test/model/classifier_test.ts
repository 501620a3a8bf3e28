import { assertClose } from "../close.ts";
import { KINDS, readReference } from "../fixtures/reference.ts";
import { loadClassifier } from "lightweight-finetuning";

for (const kind of KINDS) {
  Deno.test(`loadClassifier() gives Transformers' logits for ${kind}`, async () => {
    const reference = await readReference(kind);
    const model = await loadClassifier(reference.folder);
    const logits = model.forward(reference.batch());
    assertClose(logits.dataSync(), reference.numbers("logits"), 1e-5);
    for (const form of ["f16", "bf16", "sharded"]) {
      const other = await loadClassifier(`${reference.folder}/${form}`);
      const name = form === "sharded" ? "logits" : `${form}.logits`;
      assertClose(other.forward(reference.batch()).dataSync(), reference.numbers(name), 1e-5, form);
    }
  });
}
