import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { relative } from "node:path";
import { hubFetch } from "../../lib/hub/fetch.ts";
import { downloadModel } from "../../lib/hub/model.ts";
import { hubSettings } from "../../lib/hub/settings.ts";
import { downloadSnapshot } from "../../lib/hub/snapshot.ts";
import { digest } from "../helpers/hub_server.ts";
import { HUB, names, rejection, TOKEN, withHub } from "../helpers/with_hub.ts";

const ID = "tiny/wordpiece";

/** Changes each entry of a JSON answer. */
const tampered = (change: Record<string, unknown>) => async (sound: () => Response) => {
  const response = sound();
  const json = await response.json();
  const body = Array.isArray(json)
    ? json.map((entry) => ({ ...entry, ...change }))
    : { ...json, ...change };
  const link = response.headers.get("link");
  return Response.json(body, { headers: link ? { link } : {} });
};

const UNSAFE = [
  "../../x",
  "/etc/x",
  "a/../../b",
  "..",
  ".",
  "a\\..\\b",
  "a\0b",
  "a\nb",
  "\x1b[2J",
  "",
];

Deno.test("downloadModel() refuses names and revisions that could leave the cache, unasked", () =>
  withHub(async (hub, options) => {
    for (const name of [...UNSAFE, "a/b/c", "a//b", "/a", "a/", "a/.b", "a b", "ä/b"]) {
      await assert.rejects(downloadModel({ hub: name }, options), TypeError, name);
      const message = await rejection(downloadModel({ hub: name }, options));
      assert.match(message, /^Cannot load from the Hub as 'hub' must be [\x20-\x7e]+$/); // no control
    }
    for (const revision of [...UNSAFE, "a//b", "a/", "a b", "-x/../y"]) {
      await assert.rejects(downloadModel({ hub: ID, revision }, options), TypeError, revision);
      const message = await rejection(downloadModel({ hub: ID, revision }, options));
      assert.match(message, /^Cannot load from the Hub as 'revision' must be [\x20-\x7e]+$/);
    }
    assert.equal(hub.requests.length, 0);
    assert.equal(existsSync(options.cacheFolder), false);
  }));

Deno.test("downloadSnapshot() refuses a path from the Hub that could leave the cache", async (t) => {
  for (const path of UNSAFE.filter((path) => path !== "")) {
    await t.step(JSON.stringify(path), () =>
      withHub(async (hub, options) => {
        hub.faults.push({ match: /tree/, times: 9, answer: tampered({ path }) });
        const all = { wanted: /./s, required: { any: /./s } }; // no pattern that would leave it out
        const request = { type: "model" as const, name: ID, ...all };
        const message = await rejection(downloadSnapshot(request, options));
        assert.match(message, /^Cannot load from the Hub as 'path' must be [\x20-\x7e]+$/);
        assert.equal(existsSync(options.cacheFolder), false);
      }));
  }
});

Deno.test("downloadModel() refuses a commit or a hash from the Hub that is none", async (t) => {
  const cases: [string, RegExp, Record<string, unknown>][] = [
    ["sha", /revision/, { sha: "../../../x" }],
    ["sha", /revision/, { sha: undefined }],
    ["oid", /tree/, { oid: "../../../x", lfs: undefined }],
    ["lfs.oid", /tree/, { lfs: { oid: "../../../x" } }],
  ];
  for (const [option, match, change] of cases) {
    await t.step(JSON.stringify(change), () =>
      withHub(async (hub, options) => {
        hub.faults.push({ match, times: 9, answer: tampered(change) });
        const message = await rejection(downloadModel(ID, options));
        assert.match(
          message,
          new RegExp(`as '${option}' must be a (commit|sha1|sha256): current value`),
        );
        assert.equal(existsSync(options.cacheFolder), false);
      }));
  }
});

Deno.test("downloadModel() replaces links in the cache that lead elsewhere, or nowhere", () =>
  withHub(async (hub, options) => {
    const outside = await Deno.makeTempFile();
    await Deno.writeTextFile(outside, "untouched");
    const snapshot = `${options.cacheFolder}/models--tiny--wordpiece/snapshots/${
      hub.commits[`models/${ID}`]
    }`;
    await Deno.mkdir(snapshot, { recursive: true });
    await Deno.symlink(outside, `${snapshot}/config.json`);
    await Deno.symlink("../../blobs/nothing", `${snapshot}/model.safetensors`);
    assert.equal(await downloadModel(ID, options), snapshot);
    assert.equal(names(snapshot).length, 4); // and each leads to its blob, as is checked at the end
    assert.equal(await Deno.readTextFile(outside), "untouched");
    await Deno.remove(outside);
  }));

Deno.test("downloadModel() downloads a blob of the wrong length anew", () =>
  withHub(async (_, options) => {
    const oid = digest("sha256", Deno.readFileSync(`${HUB}/models/${ID}/model.safetensors`));
    const blobs = `${options.cacheFolder}/models--tiny--wordpiece/blobs`;
    await Deno.mkdir(blobs, { recursive: true });
    await Deno.writeFile(`${blobs}/${oid}`, new Uint8Array(100));
    await downloadModel(ID, options);
  }));

Deno.test("downloadModel() follows no reference in the cache that is no commit", () =>
  withHub(async (_, options) => {
    const storage = `${options.cacheFolder}/models--tiny--wordpiece`;
    const snapshot = await downloadModel(ID, options);
    const outside = relative(`${storage}/snapshots`, `${HUB}/models/${ID}`); // a whole model
    await Deno.writeTextFile(`${storage}/refs/main`, outside);
    const offline = { ...options, offline: true };
    assert.match(await rejection(downloadModel(ID, offline)), /HF_HUB_OFFLINE is set and .* lacks/);
    assert.equal(await downloadModel(ID, options), snapshot);
    assert.equal(await downloadModel(ID, offline), snapshot);
  }));

Deno.test("hubFetch() sends the token to the Hub and to no other host", () =>
  withHub(async (hub, options) => {
    await downloadModel(ID, options);
    for (const { path, token } of hub.requests) {
      assert.equal(token, path.startsWith("/cdn/") ? null : `Bearer ${TOKEN}`, path);
    }
    const fetch = hubFetch({ type: "model", name: ID }, hubSettings(options));
    await (await fetch(`${hub.url.replace("127.0.0.1", "localhost")}/api/models/${ID}`)).text();
    assert.equal(hub.requests.at(-1)?.token, null);
  }));

Deno.test("hubFetch() does not let a redirect take the token along", () =>
  withHub(async (hub, options) => {
    const seen: (string | null)[] = [];
    const other = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
      seen.push(request.headers.get("authorization"));
      return new Response(Deno.readFileSync(`${HUB}/models/${ID}/config.json`));
    });
    const location = `http://127.0.0.1:${other.addr.port}/config.json`;
    const answer = () => new Response(null, { status: 302, headers: { location } });
    hub.faults.push({ match: /resolve.*\/config\.json/, times: 1, answer });
    await downloadModel(ID, options);
    assert.deepEqual(seen, [null]);
    await other.shutdown();
  }));

Deno.test("hubFetch() shows no token or signature that comes back from outside", async (t) => {
  const signed = "http://127.0.0.1:1/x?X-Amz-Signature=secret";
  const answers: Record<string, () => Response> = {
    "a header": () => new Response("", { status: 404, headers: { "x-error-code": `No ${TOKEN}` } }),
    "a body": () => Response.json({ error: `No ${TOKEN}\x1b[2J` }, { status: 400 }),
    "a redirect": () => new Response(null, { status: 302, headers: { location: signed } }),
  };
  for (const [name, answer] of Object.entries(answers)) {
    await t.step(name, () =>
      withHub(async (hub, options) => {
        hub.faults.push({ match: /resolve/, times: 99, answer });
        const message = await rejection(downloadModel(ID, options));
        assert.match(message, /^Cannot download \w+\.json of tiny\/wordpiece: [\x20-\x7e]+$/);
        assert.doesNotMatch(message, /secret|Signature/);
      }));
  }
});

Deno.test("hubSettings() refuses a malformed token or endpoint without showing the secret", () => {
  const cases = [
    { token: "hf_secret\nhf_secret" },
    { token: "hf_secret words" },
    { endpoint: "https://me:hf_secret@mirror" },
    { endpoint: "https://hf_secret@mirror" },
  ];
  for (const options of cases) {
    assert.throws(
      () => hubSettings(options),
      (error) => error instanceof TypeError && !Deno.inspect(error).includes("hf_secret"),
    );
  }
  for (const endpoint of ["mirror", "ftp://mirror", "https://mir ror"]) {
    assert.throws(() => hubSettings({ endpoint }), /'HF_ENDPOINT' must be a URL of http/);
  }
});
