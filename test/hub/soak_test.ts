import assert from "node:assert/strict";
import { downloadModel } from "../../lib/hub/model.ts";
import { publish } from "../../lib/hub/publish.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { digest, type Fault } from "../helpers/hub_server.ts";
import { mutate } from "../helpers/mutations.ts";
import { fixture } from "../helpers/reference.ts";
import { assertSound, HUB, names, TOKEN, withHub } from "../helpers/with_hub.ts";

const ID = "tiny/wordpiece";
const ROUNDS = Number(Deno.env.get("SOAK") ?? 25);

/** What an engine or a parser says for itself. */
const BELLY = /(of|properties) undefined|not iterable|not a function|reading '|JSON at position/;

/** Draws the same numbers in each run. */
function draws(seed: string) {
  let draw = 0;
  return (n: number) => parseInt(digest("sha256", `${seed} ${draw++}`).slice(0, 8), 16) % n;
}

function assertContents(folder: string) {
  for (const name of names(folder)) {
    const expected = Deno.readFileSync(`${HUB}/models/${ID}/${name}`);
    assert.deepEqual(Deno.readFileSync(`${folder}/${name}`), expected);
  }
}

Deno.test("downloadModel() leaves no bad file under any mix of faults, and gets all in the end", async () => {
  const below = draws("11");
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
      assertContents(folder);
      assert.equal(names(folder).length, 4);
    });
  }
  console.log(`${ROUNDS} downloads, of whose calls ${failed} failed`);
  assert.ok(failed > 0);
});

Deno.test("downloadModel() answers a hostile Hub with one of its errors, and holds nothing of it", async () => {
  const below = draws(Deno.env.get("SEED") ?? "12");
  const matches = [/revision/, /tree/, /tree/, /resolve/, /cdn/];
  const outcomes = new Map<string, number>();
  for (let round = 0; round < 4 * ROUNDS; round++) {
    await withHub(async (hub, options) => {
      hub.faults.push({
        match: matches[below(matches.length)]!,
        times: 1 + below(6),
        answer: (sound) => mutate(sound(), below),
      });
      const once = { ...options, timeout: 200 };
      const folder = await downloadModel(ID, once).catch((error: Error) => {
        const { message } = error;
        const at = `round ${round}: ${message}`;
        assert.match(message, /^Cannot (download|load|keep) [\x20-\x7e]+$/, at);
        assert.match(message, /wordpiece/, at);
        assert.match(message, /[Tt]ry again|HF_|Choose|Check|Take|login page/, at);
        assert.doesNotMatch(message, BELLY, at);
        assert.equal(Deno.inspect(error).includes(TOKEN), false, at);
        const kind = message.replace(/[0-9a-f]{40,}|current value.*|\d+/g, "");
        outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1);
        return undefined;
      });
      await assertSound(options.cacheFolder);
      if (folder) assertContents(folder);
      hub.faults.length = 0;
      const whole = await downloadModel(ID, once);
      assertContents(whole);
      assert.ok(names(whole).length >= 3, "what is required is there");
    });
  }
  const failed = [...outcomes.values()].reduce((sum, n) => sum + n, 0);
  console.log(`${4 * ROUNDS} hostile Hubs, ${failed} errors of ${outcomes.size} kinds`);
  if (Deno.env.get("SOAK")) console.log([...outcomes.keys()].join("\n"));
  assert.ok(outcomes.size > 10);
});

Deno.test("publish() answers a hostile Hub with one of its errors", async () => {
  const below = draws(Deno.env.get("SEED") ?? "13");
  const matches = [/create/, /preupload/, /batch/, /\/upload\//, /commit/];
  const folder = fixture("bert/adapter");
  const outcomes = new Map<string, number>();
  for (let round = 0; round < 4 * ROUNDS; round++) {
    await using served = await temporaryFolder();
    await withHub(async (hub, options) => {
      hub.faults.push({
        match: matches[below(matches.length)]!,
        times: 1 + below(6),
        answer: (sound) => mutate(sound(), below),
      });
      const publishing = publish({ ...options, timeout: 200, repo: "me/x", folder, card: "# X" });
      const outcome = await publishing.catch((error: Error) => {
        const at = `round ${round}: ${error.message}`;
        assert.match(error.message, /^Cannot publish to me\/x: [\x20-\x7e]+$/, at);
        assert.doesNotMatch(error.message, BELLY, at);
        assert.equal(Deno.inspect(error).includes(TOKEN), false, at);
        const kind = error.message.replace(/127[\d.:]+|\d+/g, "");
        outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1);
        return "";
      });
      assert.equal(typeof outcome, "string", `round ${round}`);
    }, served.path);
  }
  const failed = [...outcomes.values()].reduce((sum, n) => sum + n, 0);
  console.log(`${4 * ROUNDS} hostile Hubs, ${failed} errors of ${outcomes.size} kinds`);
  if (Deno.env.get("SOAK")) console.log([...outcomes.keys()].join("\n"));
  assert.ok(failed > 10);
});
