import assert from "node:assert/strict";
import { watchMemory } from "../../course/memory.ts";

Deno.test({
  name: "watchMemory() tells the most since it was called, also what has been freed again",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const before = await watchMemory();
    const start = (await before())!;
    let large: Uint8Array | undefined = new Uint8Array(300e6).fill(1);
    const most = (await before())!;
    assert.ok(most > start + 250e6, `${start} ${most}`);
    assert.equal(large.length, 300e6);
    large = undefined;
    assert.ok((await before())! >= most);
  },
});
