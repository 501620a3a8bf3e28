import { equal } from "node:assert/strict";
import { fixture } from "../helpers/reference.ts";
import { output, parity } from "../helpers/live.ts";

parity(
  "the fields of peft's configurations are those of test/fixtures/peft_fields.json",
  async () => {
    const now = await output("../fixtures/peft_fields.py", "-");
    equal(now, await Deno.readTextFile(fixture("peft_fields.json")));
  },
);
