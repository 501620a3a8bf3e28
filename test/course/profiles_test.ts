import assert from "node:assert/strict";
import { profile } from "course";

Deno.test("the profile sample finds its data from any working directory", async () => {
  const { dataset } = profile("sample");
  assert.ok("file" in dataset && dataset.file.startsWith("/"));
  assert.ok((await Deno.stat(dataset.file)).isFile);
});

Deno.test("profile() refuses an unknown name and lists the known ones", () => {
  assert.throws(() => profile("fast"), {
    name: "RangeError",
    message: /'PROFILE' must be one of sample, quick, seed: current value is "fast"/,
  });
});
