import assert from "node:assert/strict";
import { downloadModel } from "../../lib/hub/model.ts";
import { digest, type Fault } from "../helpers/hub_server.ts";
import { assertSound, HUB, names, withHub } from "../helpers/with_hub.ts";

const ID = "tiny/wordpiece";
const ROUNDS = Number(Deno.env.get("SOAK") ?? 25);

Deno.test("downloadModel() leaves no bad file under any mix of faults, and gets all in the end", async () => {
  let draws = 0;
  const below = (n: number) => parseInt(digest("sha256", `11 ${draws++}`).slice(0, 8), 16) % n;
  const size = Deno.statSync(`${HUB}/models/${ID}/model.safetensors`).size;
  const matches = [/revision/, /tree/, /resolve/, /cdn/, /cdn/];
  const kinds: ((match: RegExp, times: number) => Fault)[] = [
    (match, times) => ({ match, times, cutAfter: below(size) }),
    (match, times) => ({ match, times, status: [401, 403, 404, 416, 429, 500, 503][below(7)]! }),
    (match, times) => ({ match, times, wrongBytes: true }),
    (match, times) => ({ match, times, ignoreRange: true }),
    (match, times) => ({ match, times, stall: true }),
    (match, times) => ({ match, times, answer: () => new Response("short") }),
  ];
  let failed = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await withHub(async (hub, options) => {
      for (let n = 1 + below(5); n > 0; n--) {
        hub.faults.push(kinds[below(kinds.length)]!(matches[below(5)]!, 1 + below(6)));
      }
      let folder: string | undefined;
      for (let call = 0; !folder; call++) {
        assert.ok(call < 30, "the faults are spent by now");
        folder = await downloadModel(ID, { ...options, timeout: 50 }).catch(() => undefined);
        if (!folder) failed++;
        await assertSound(options.cacheFolder);
      }
      for (const name of names(folder)) {
        const expected = Deno.readFileSync(`${HUB}/models/${ID}/${name}`);
        assert.deepEqual(Deno.readFileSync(`${folder}/${name}`), expected);
      }
      assert.equal(names(folder).length, 4);
    });
  }
  console.log(`${ROUNDS} downloads, of whose calls ${failed} failed`);
  assert.ok(failed > 0);
});
