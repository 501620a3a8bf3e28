import assert from "node:assert/strict";
import { isDecayed } from "../../lib/train/decay.ts";
import { PEFT } from "../helpers/gradients.ts";
import { fixture } from "../helpers/reference.ts";
import { loadWay, readCases } from "../helpers/training.ts";

const { decay } = await readCases(fixture("trainer"));

for (const kind of ["bert", "roberta", "distilbert"]) {
  for (const way of ["full", "lora"] as const) {
    Deno.test(`isDecayed() decides on all that is trained as Trainer does, ${kind} ${way}`, async () => {
      const { parameters } = await loadWay(way, fixture(kind));
      const trained = [...parameters].flatMap(([name, { trainable }]) => trainable ? [name] : []);
      const { decayed, notDecayed } = decay[`${kind}.${way}`]!;
      const bare = (names: string[]) => names.map((name) => name.replace(PEFT, "")).sort();
      assert.deepEqual(trained.filter(isDecayed).sort(), bare(decayed));
      assert.deepEqual(trained.filter((name) => !isDecayed(name)).sort(), bare(notDecayed));
    });
  }
}

Deno.test("isDecayed() knows normalisation by a name's part, in any case", () => {
  const names = ["x.norm", "norm.weight", "RMSNorm.weight", "x.normal.weight", "enorm.weight"];
  assert.deepEqual(names.map(isDecayed), [false, false, false, true, true]);
});
