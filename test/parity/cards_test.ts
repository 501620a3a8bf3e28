import { deepEqual } from "node:assert/strict";
import { HOSTILE } from "../helpers/hostile.ts";
import { output, parity } from "../helpers/live.ts";
import { toYaml } from "../../lib/text.ts";

parity("Python's YAML parser reads any name in a card as it is", async (folder) => {
  const metadata = { base_model: HOSTILE.join(""), tags: HOSTILE, nested: [{ names: HOSTILE }] };
  const lines = Object.entries(metadata).map(([name, value]) => `${name}: ${toYaml(value)}\n`);
  await Deno.writeTextFile(`${folder}/card.yaml`, lines.join(""));
  deepEqual(JSON.parse(await output("cards.py", `${folder}/card.yaml`)), metadata);
});
