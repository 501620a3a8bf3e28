import { deepEqual } from "node:assert/strict";
import environment from "../fixtures/hub_environment.json" with { type: "json" };
import { parity, python } from "../helpers/live.ts";

parity(
  "huggingface_hub reads the variables and gives the settings of the fixture",
  async (folder) => {
    await python("../fixtures/hub_environment.py", `${folder}/now.json`);
    const now = JSON.parse(await Deno.readTextFile(`${folder}/now.json`));
    deepEqual({ ...now, huggingface_hub: "" }, { ...environment, huggingface_hub: "" });
  },
);
