import assert from "node:assert/strict";
import { hubFetch } from "../../lib/hub/fetch.ts";
import { downloadModel } from "../../lib/hub/model.ts";
import { type DownloadProgress, type HubOptions, hubSettings } from "../../lib/hub/settings.ts";
import { type HubServer, serveHub } from "../fixtures/hub-server.ts";

const HUB = new URL("../fixtures/hub", import.meta.url).pathname;
const ID = "tiny/wordpiece";
const NAMES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
const SIZE = Deno.statSync(`${HUB}/models/${ID}/model.safetensors`).size;

/** Runs a test with a server of its own and an empty cache. */
async function withHub(test: (hub: HubServer, options: HubOptions) => Promise<void>) {
  const cacheFolder = await Deno.makeTempDir();
  const hub = serveHub(HUB, 0, 2); // two a page: the file list goes over several
  try {
    await test(hub, { endpoint: hub.url, cacheFolder, offline: false, retryDelay: 1 });
  } finally {
    await hub.close();
    await Deno.remove(cacheFolder, { recursive: true });
  }
}

const names = (folder: string) => Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
const weightRequests = (hub: HubServer) => hub.requests.filter((r) => r.path.includes("/cdn/"));

async function rejection(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(() => assert.fail("resolved"), (error: Error) => error);
  assert.equal(error.message.includes("\n"), false);
  return error.message;
}

Deno.test("a model's needed files land in Python's cache layout", () =>
  withHub(async (hub, options) => {
    const folder = await downloadModel(ID, options);
    const commit = hub.commits[`models/${ID}`];
    const storage = `${options.cacheFolder}/models--tiny--wordpiece`;
    assert.equal(folder, `${storage}/snapshots/${commit}`);
    assert.deepEqual(names(folder), NAMES);
    assert.equal(Deno.readTextFileSync(`${storage}/refs/main`), commit);
    assert.match(Deno.readLinkSync(`${folder}/model.safetensors`), /^\.\.\/\.\.\/blobs\/\w{64}$/);
    assert.match(Deno.readLinkSync(`${folder}/config.json`), /^\.\.\/\.\.\/blobs\/\w{40}$/);
    for (const name of NAMES) {
      assert.deepEqual(
        Deno.readFileSync(`${folder}/${name}`),
        Deno.readFileSync(`${HUB}/models/${ID}/${name}`),
      );
    }
  }));

Deno.test("a pinned commit in the cache needs no network, offline needs no pin", () =>
  withHub(async (hub, options) => {
    const folder = await downloadModel(ID, options);
    const pinned = { hub: ID, revision: hub.commits[`models/${ID}`]! };
    const unreachable = { ...options, endpoint: "http://127.0.0.1:9" };
    assert.equal(await downloadModel(pinned, unreachable), folder);
    assert.equal(await downloadModel(ID, { ...unreachable, offline: true }), folder);
  }));

Deno.test("offline, an incomplete cache is an error that names what is missing", () =>
  withHub(async (_, options) => {
    const folder = await downloadModel(ID, options);
    await Deno.remove(`${folder}/model.safetensors`);
    const message = await rejection(downloadModel(ID, { ...options, offline: true }));
    assert.match(message, /lacks its model\.safetensors: unset HF_HUB_OFFLINE/);
    assert.ok(message.includes(options.cacheFolder!));
  }));

Deno.test("a cut connection is resumed where it broke off", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /cdn.*model/, times: 2, cutAfter: 15_000 });
    await downloadModel(ID, options);
    assert.deepEqual(weightRequests(hub).map(({ range }) => range), [
      "bytes=0-",
      "bytes=15000-",
      "bytes=30000-",
    ]);
  }));

Deno.test("a download that failed is resumed by the next call", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /cdn.*model/, times: 5, cutAfter: 1000 });
    assert.match(await rejection(downloadModel(ID, options)), /try again/);
    const blobs = `${options.cacheFolder}/models--tiny--wordpiece/blobs`;
    const partial = names(blobs).find((name) => name.endsWith(".incomplete"));
    assert.equal(Deno.statSync(`${blobs}/${partial}`).size, 5000);
    await downloadModel(ID, options);
    assert.equal(weightRequests(hub).at(-1)?.range, "bytes=5000-");
    assert.deepEqual(names(blobs).filter((name) => name.endsWith(".incomplete")), []);
  }));

Deno.test("a server without ranges sends the file from its start", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /cdn.*model/, times: 1, cutAfter: 15_000 });
    hub.faults.push({ match: /cdn.*model/, times: 1, ignoreRange: true });
    const folder = await downloadModel(ID, options);
    assert.equal(weightRequests(hub).length, 2);
    assert.equal(Deno.statSync(`${folder}/model.safetensors`).size, SIZE);
  }));

Deno.test("a snapshot that lacks an optional file of the repository does not pass for whole", () =>
  withHub(async (hub, options) => {
    const pinned = { hub: ID, revision: hub.commits[`models/${ID}`]! };
    hub.faults.push({ match: /tokenizer_config/, times: 1, status: 404 });
    await rejection(downloadModel(pinned, options));
    assert.deepEqual(names(await downloadModel(pinned, options)), NAMES);
  }));

Deno.test("a partial file with wrong bytes is thrown away and downloaded anew", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /cdn.*model/, times: 5, cutAfter: 1000 });
    await rejection(downloadModel(ID, options));
    const blobs = `${options.cacheFolder}/models--tiny--wordpiece/blobs`;
    const partial = names(blobs).find((name) => name.endsWith(".incomplete"));
    await Deno.writeFile(`${blobs}/${partial}`, new Uint8Array(5000));
    const folder = await downloadModel(ID, options);
    assert.equal(weightRequests(hub).at(-1)?.range, "bytes=0-");
    assert.equal(Deno.statSync(`${folder}/model.safetensors`).size, SIZE);
  }));

Deno.test("a file with the wrong content never enters the cache", async (t) => {
  for (const file of ["model.safetensors", "config.json"]) {
    await t.step(file, () =>
      withHub(async (hub, options) => {
        const match = new RegExp(`(cdn|resolve)/.*${file}`);
        hub.faults.push({ match, times: 9, wrongBytes: true });
        assert.match(
          await rejection(downloadModel(ID, options)),
          /have the hash \w+, not \w+; try/,
        );
        const blobs = `${options.cacheFolder}/models--tiny--wordpiece/blobs`;
        const partial = names(blobs).find((name) => name.endsWith(".incomplete"))!;
        assert.equal(Deno.statSync(`${blobs}/${partial}`).size, 0);
        assert.equal(names(blobs).includes(partial.replace(".incomplete", "")), false);
      }));
  }
});

Deno.test("a stalled connection counts as cut", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /cdn.*model/, times: 1, stall: true });
    await downloadModel(ID, { ...options, timeout: 200 });
    assert.deepEqual(weightRequests(hub).map(({ range }) => range), ["bytes=0-", "bytes=1-"]);
  }));

Deno.test("5xx and 429 are tried again, 429 no earlier than the Hub asks", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /revision/, times: 3, status: 503 });
    hub.faults.push({ match: /tree/, times: 1, status: 429, headers: { "retry-after": "1" } });
    const began = performance.now();
    await downloadModel(ID, options);
    assert.ok(performance.now() - began >= 1000);
  }));

Deno.test("a Hub that keeps failing or cannot be reached is one clear line", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /./, times: 99, status: 500 });
    assert.match(await rejection(downloadModel(ID, options)), /the Hub answers 500, 5 times; try/);
    assert.equal(hub.requests.length, 5);
    const unreachable = { ...options, endpoint: "http://127.0.0.1:9" };
    const message = await rejection(downloadModel(ID, unreachable));
    assert.match(message, /tiny\/wordpiece: .*HF_ENDPOINT/);
    assert.equal(message.includes("?"), false); // a query can hold a signature
  }));

Deno.test("a refusal says what to do and never holds the token", async (t) => {
  const token = "hf_secret";
  const cases: [string, number, string | undefined, RegExp][] = [
    [
      "resolve/.*/config.json",
      401,
      undefined,
      /config\.json of tiny\/wordpiece: .*401; .*HF_TOKEN/,
    ],
    ["/revision/", 401, "GatedRepo", /GatedRepo.*accept the terms at http.*\/tiny\/wordpiece and/],
    ["cdn/.*/model", 403, undefined, /model\.safetensors of .*403; accept the terms/],
    ["/tree/", 404, "RepoNotFound", /the list of files of .*404.*check the name at http/],
    ["/revision/", 404, "RevisionNotFound", /take a revision listed at .*\/commits/],
  ];
  for (const [match, status, code, pattern] of cases) {
    await t.step(`${status} ${code ?? ""} at ${match}`, () =>
      withHub(async (hub, options) => {
        const headers = code ? { "x-error-code": code } : {};
        hub.faults.push({ match: new RegExp(match), times: 1, status, headers });
        const message = await rejection(downloadModel(ID, { ...options, token }));
        assert.match(message, pattern);
        assert.equal(message.includes(token), false);
      }));
  }
});

Deno.test("the token goes to the Hub and to no other host", () =>
  withHub(async (hub, options) => {
    await downloadModel(ID, { ...options, token: "hf_secret" });
    for (const { path, token } of hub.requests) {
      assert.equal(token, path.startsWith("/cdn/") ? null : "Bearer hf_secret", path);
    }
    const fetch = hubFetch({ type: "model", name: ID }, hubSettings({ token: "hf", ...options }));
    await (await fetch(`${hub.url.replace("127.0.0.1", "localhost")}/api/models/${ID}`)).text();
    assert.equal(hub.requests.at(-1)?.token, null);
  }));

Deno.test("a repository without weights is refused before anything is downloaded", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/models/tiny/bare`, { recursive: true });
  await Deno.writeTextFile(`${folder}/models/tiny/bare/config.json`, "{}");
  const hub = serveHub(folder);
  const options = { endpoint: hub.url, cacheFolder: folder, offline: false };
  const message = await rejection(downloadModel("tiny/bare", options));
  assert.match(message, /the repository has no tokenizer\.json, model\.safetensors: choose/);
  assert.equal(hub.requests.some(({ path }) => path.includes("/resolve/")), false);
  await hub.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("two downloads at once do not disturb each other", () =>
  withHub(async (hub, options) => {
    const [a, b] = await Promise.all([downloadModel(ID, options), downloadModel(ID, options)]);
    assert.equal(a, b);
    assert.equal(weightRequests(hub).length, 1);
    assert.equal(Deno.statSync(`${a}/model.safetensors`).size, SIZE);
  }));

Deno.test("progress ends with all files and bytes", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /cdn.*model/, times: 1, cutAfter: 15_000 });
    const seen: DownloadProgress[] = [];
    await downloadModel(ID, { ...options, onProgress: (progress) => seen.push(progress) });
    const { bytesPerSecond, ...last } = seen.at(-1)!;
    const bytes = NAMES.reduce(
      (n, name) => n + Deno.statSync(`${HUB}/models/${ID}/${name}`).size,
      0,
    );
    assert.deepEqual({ ...last, file: "" }, {
      file: "",
      files: 4,
      totalFiles: 4,
      bytes,
      totalBytes: bytes,
    });
    assert.ok(bytesPerSecond > 0);
    assert.deepEqual(seen.map((p) => p.bytes), seen.map((p) => p.bytes).sort((a, b) => a - b));
  }));

Deno.test("names that could leave the cache folder are refused", async () => {
  for (const source of [{ hub: "../x" }, { hub: "a/b/c" }, { hub: "a/b", revision: "../../x" }]) {
    await assert.rejects(downloadModel(source, { offline: true }), TypeError);
  }
});

Deno.test("the settings are those of Python's huggingface_hub", async () => {
  const home = await Deno.makeTempDir();
  await Deno.writeTextFile(`${home}/token`, "hf_file\n");
  const settings = hubSettings({}, { HF_HOME: home, HF_HUB_OFFLINE: "yes" });
  assert.equal(settings.token, "hf_file");
  assert.equal(settings.cacheFolder, `${home}/hub`);
  assert.equal(settings.offline, true);
  assert.equal(settings.endpoint, "https://huggingface.co");
  const other = hubSettings({}, {
    HF_HOME: home,
    HF_TOKEN: "hf_env",
    HF_HUB_CACHE: "/cache",
    HF_ENDPOINT: "http://mirror/",
  });
  assert.equal(other.token, "hf_env");
  assert.equal(other.cacheFolder, "/cache");
  assert.equal(other.endpoint, "http://mirror");
  assert.equal(other.offline, false);
  await Deno.remove(home, { recursive: true });
});

Deno.test("a malformed token is refused without being shown", () => {
  assert.throws(
    () => hubSettings({ token: "hf_one\nhf_two" }),
    (error) => error instanceof TypeError && !error.message.includes("hf_one"),
  );
});
