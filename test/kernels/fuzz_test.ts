import assert from "node:assert/strict";
import { openDevice } from "lightweight-finetuning";
import { port } from "../../lib/device/port.ts";
import { fuzzKernels } from "../helpers/kernel_fuzz.ts";

await openDevice();

Deno.test({
  name: "of 600 random calls each kernel computes the formula, or refuses the inputs in a sentence",
  ignore: !port().kernels.addBias,
  fn() {
    const { ran, refused, agreed } = fuzzKernels(600, 1);
    const ops = 13;
    assert.deepEqual([ran, refused].map((calls) => Object.keys(calls).length), [ops, ops]);
    assert.equal(Object.keys(agreed).length, 8);
  },
});
