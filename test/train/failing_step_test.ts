import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import {
  addIa3,
  addLora,
  type Classifier,
  loadClassifier,
  openDevice,
  type TextModel,
  Trainer,
} from "lightweight-finetuning";
import { type DevicePort, port, usePort } from "../../lib/device/port.ts";
import { fixture } from "../helpers/reference.ts";

await openDevice();
const rows = { inputIds: [[2, 5, 6, 3], [2, 7, 3]], labels: [0, 1] };

/** The open port, whose method or kernel of a name runs out of memory at one of its calls. */
function failingPort(name: string, failingCall: number): DevicePort {
  let calls = 0;
  // deno-lint-ignore no-explicit-any
  const failing = (work: any) => (...args: unknown[]) => {
    if (++calls === failingCall) throw new Error("OOM when allocating tensor");
    return work(...args);
  };
  const whole = port();
  if (name in whole) return { ...whole, [name]: failing(whole[name as keyof DevicePort]) };
  const kernel = whole.kernels[name as keyof typeof whole.kernels];
  return { ...whole, kernels: { ...whole.kernels, [name]: failing(kernel) } };
}

const WAYS: Record<string, (model: Classifier) => TextModel> = {
  full: (model) => model,
  lora: (model) => addLora(model, { loraDropout: 0.1 }),
  ia3: (model) => addIa3(model),
  "four bits": (model) => addLora(model),
};
const KERNELS = Object.keys(port().kernels).length > 0
  ? ["gelu", "attention", "attentionGrad", "addNorm", "addNormGrad", "dropout"]
  : [];

for (const [way, adapt] of Object.entries(WAYS)) {
  Deno.test(`a step that runs out of memory anywhere leaves no tensor, ${way}`, async () => {
    const base = await loadClassifier(fixture("bert"), { loadIn4bit: way === "four bits" });
    const model = adapt(base);
    const train = async () => {
      const trainer = new Trainer(model, { trainDataset: rows, evalDataset: rows, maxSteps: 1 });
      await trainer.train().finally(() => trainer.dispose());
    };
    const before = tf.memory().numTensors;
    for (const name of ["product", ...KERNELS]) {
      for (const call of [1, 2]) {
        using _failing = usePort(failingPort(name, call));
        await train().then(
          () =>
            assert.ok(!["product", "gelu", "attention"].includes(name), `${name} is not called`),
          (error) => assert.match(error.message, /memory is full/),
        );
        assert.equal(tf.memory().numTensors, before, `${name}, call ${call}`);
      }
    }
    await train();
    base.dispose();
  });
}

Deno.test("a model at four bits that cannot be packed leaves no tensor", async () => {
  const before = tf.memory().numTensors;
  for (const [name, call] of [["read", 3], ["packBytes", 1], ["packBytes", 6]] as const) {
    using _failing = usePort(failingPort(name, call));
    await assert.rejects(loadClassifier(fixture("bert"), { loadIn4bit: true }), /OOM/);
    assert.equal(tf.memory().numTensors, before, `${name}, call ${call}`);
  }
});
