import assert from "node:assert/strict";
import { KINDS } from "../../helpers/reference.ts";
import { families } from "../../../lib/model/families/families.ts";

Deno.test("every family has a fixture", () => {
  assert.deepEqual(Object.keys(families).sort(), [...KINDS].sort());
});
