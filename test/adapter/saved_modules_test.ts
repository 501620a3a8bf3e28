import assert from "node:assert/strict";
import { temporaryFolder } from "../helpers/altered.ts";
import { fixture } from "../helpers/reference.ts";
import {
  addLora,
  loadAdapter,
  loadClassifier,
  readSafetensors,
  saveAdapter,
  trainableParameters,
} from "lightweight-finetuning";

interface Row {
  kind: string;
  target: string;
  modulesToSave: string[];
  taskType: "SEQ_CLS" | null;
  bias: "none" | "all";
  peft: { trained: string[]; tensors: string[]; trainableParameters: string } | { error: string };
}

// Written by peft: test/fixtures/modules_to_save.py.
const ROWS: Row[] = JSON.parse(await Deno.readTextFile(fixture("modules_to_save.json")));

for (const { kind, target, modulesToSave, taskType, bias, peft } of ROWS) {
  const options = { targetModules: [target], modulesToSave, taskType, bias, r: 2 };
  const what = `${JSON.stringify(options)} of ${kind}`;
  const load = () => loadClassifier(fixture(kind));
  if ("error" in peft) {
    Deno.test(`addLora() refuses ${what}, which peft cannot load`, async () => {
      const model = await load();
      assert.throws(() => addLora(model, options), {
        name: "RangeError",
        message:
          /^Cannot add an adapter as '(modulesToSave|targetModules)' must .*: current value is/,
      });
      addLora(model, { targetModules: "all-linear" });
    });
  } else {
    Deno.test(`addLora() trains, counts and saves what peft does with ${what}`, async () => {
      const adapter = addLora(await load(), options);
      const trained = [...adapter.parameters].filter(([, { trainable }]) => trainable);
      assert.deepEqual(trained.map(([name]) => name).sort(), peft.trained);
      assert.equal(String(trainableParameters(adapter)), peft.trainableParameters);
      await using folder = await temporaryFolder();
      await saveAdapter(adapter, folder.path);
      const tensors = await readSafetensors(`${folder.path}/adapter_model.safetensors`);
      assert.deepEqual([...tensors.keys()].sort(), peft.tensors);
      await loadAdapter(await load(), folder.path);
    });
  }
}
