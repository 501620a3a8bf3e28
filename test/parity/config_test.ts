import { deepEqual } from "node:assert/strict";
import config from "../fixtures/config.json" with { type: "json" };
import { parity, python } from "../helpers/live.ts";

parity("Transformers reads the fields of config.json that the fixture lists", async (folder) => {
  await python("../fixtures/config.py", `${folder}/now.json`);
  const now: typeof config = JSON.parse(await Deno.readTextFile(`${folder}/now.json`));
  const fields = (all: typeof config) =>
    Object.entries(all).map(([kind, { fields }]) => [kind, fields]);
  deepEqual(fields(now), fields(config));
});
