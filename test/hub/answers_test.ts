import assert from "node:assert/strict";
import { downloadModel } from "../../lib/hub/model.ts";
import { rejection, withHub } from "../helpers/with_hub.ts";

const ID = "tiny/wordpiece";

/** An address that nobody listens at. */
function closedPort(): string {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return `http://127.0.0.1:${listener.addr.port}`;
}

Deno.test("downloadModel() gives up a Hub that never answers", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /revision/, times: 5, answer: () => new Promise(() => {}) });
    const message = await rejection(downloadModel(ID, { ...options, timeout: 50 }));
    assert.match(message, /fewer than 50 bytes came in 0.05 s, 5 times\. Try again later/);
  }));

Deno.test("downloadModel() repeats after 5xx and 429, no earlier than the Hub asks", async (t) => {
  await t.step("without a wish", () =>
    withHub(async (hub, options) => {
      hub.faults.push({ match: /revision/, times: 2, status: 500 });
      hub.faults.push({ match: /tree/, times: 3, status: 503 });
      hub.faults.push({ match: /cdn/, times: 4, status: 502 });
      await downloadModel(ID, options);
    }));
  const wishes = {
    "in seconds": () => "1",
    "as a date": () => new Date(Date.now() + 2000).toUTCString(),
  };
  for (const [name, wish] of Object.entries(wishes)) {
    await t.step(name, () =>
      withHub(async (hub, options) => {
        const headers = { "retry-after": wish() };
        hub.faults.push({ match: /tree/, times: 1, status: 429, headers });
        const began = performance.now();
        await downloadModel(ID, options);
        assert.ok(performance.now() - began >= 999);
      }));
  }
});

Deno.test("downloadModel() says in one line that the Hub keeps failing", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /./, times: 99, status: 500 });
    assert.match(await rejection(downloadModel(ID, options)), /the Hub answers 500, 5 times\. Try/);
    assert.equal(hub.requests.length, 5);
  }));

Deno.test("downloadModel() names a way to go on without a network", async (t) => {
  for (const endpoint of [closedPort(), "http://no-such-host.invalid"]) {
    await t.step(
      endpoint.includes("no-such") ? "no such host" : "refused",
      () =>
        withHub(async (_, options) => {
          const message = await rejection(downloadModel(ID, { ...options, endpoint }));
          assert.match(message, /of tiny\/wordpiece: .*(refused|dns error).*, 5 times\. Try again/);
          assert.match(
            message,
            /HF_ENDPOINT to a mirror, or HF_HUB_OFFLINE=1 to use what the cache/,
          );
          assert.equal(message.includes("?"), false); // a query can hold a signature
        }),
    );
  }
});

Deno.test("downloadModel() says what to do about a refusal, and does not repeat it", async (t) => {
  const cases: [string, number, string | undefined, RegExp][] = [
    [
      "resolve/.*/config.json",
      401,
      undefined,
      /config\.json of tiny\/wordpiece: .*401\. .*HF_TOKEN/,
    ],
    ["/revision/", 401, "GatedRepo", /GatedRepo.*Accept the terms at http.*\/tiny\/wordpiece and/],
    ["/revision/", 403, "GatedRepo", /403 \(GatedRepo\)\. Accept the terms at http/],
    ["cdn/.*/model", 403, undefined, /model\.safetensors of .*403\. Accept the terms/],
    ["/tree/", 404, "RepoNotFound", /the list of files of .*404.*Check the name at http/],
    ["/revision/", 404, "RevisionNotFound", /Take a revision listed at .*\/commits/],
  ];
  for (const [match, status, code, pattern] of cases) {
    await t.step(`${status} ${code ?? ""} at ${match}`, () =>
      withHub(async (hub, options) => {
        const headers = code ? { "x-error-code": code } : {};
        hub.faults.push({ match: new RegExp(match), times: 1, status, headers });
        assert.match(await rejection(downloadModel(ID, options)), pattern);
        assert.equal(hub.faults[0]!.times, 0);
        assert.match(hub.requests.at(-1)!.path, new RegExp(match));
      }));
  }
});

Deno.test("downloadModel() names a login page in between", () =>
  withHub(async (hub, options) => {
    const answer = () => new Response("<html>", { headers: { "content-type": "text/html" } });
    for (const match of [/revision/, /cdn.*model/]) {
      hub.faults.push({ match, times: 1, answer });
      assert.match(
        await rejection(downloadModel(ID, options)),
        /is a login page or a proxy in betw/,
      );
    }
  }));
