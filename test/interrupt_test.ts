import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

Deno.test("Stop ends tokenizing, a download and an evaluation, which can then be done whole", async () => {
  const script = fileURLToPath(new URL("helpers/stop_points.ts", import.meta.url));
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
});
