import assert from "node:assert/strict";
import { walk } from "./helpers/walk.ts";

Deno.test("no path is taken from a file URL as it is, as its characters are percent-encoded", () => {
  const root = new URL("../", import.meta.url);
  const found = ["bench/", "course/", "lib/", "notebooks/", "report/", "test/"]
    .flatMap((room) => walk(new URL(room, root), ".ts"))
    .filter((file) => /meta\.url\)\s*\.pathname/.test(Deno.readTextFileSync(file)))
    .map(({ href }) => href.slice(root.href.length));
  assert.deepEqual(found, []);
});
