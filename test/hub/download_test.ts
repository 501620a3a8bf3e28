import assert from "node:assert/strict";
import { downloadModel } from "../../lib/hub/model.ts";
import { type DownloadProgress, hubSettings } from "../../lib/hub/settings.ts";
import { serveHub } from "../helpers/hub_server.ts";
import { HUB, names, rejection, weightRequests, withHub } from "../helpers/with_hub.ts";

const ID = "tiny/wordpiece";
const NAMES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
const SIZE = Deno.statSync(`${HUB}/models/${ID}/model.safetensors`).size;

Deno.test("downloadModel() puts a model's needed files into Python's cache layout", () =>
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

Deno.test("downloadModel() needs no network for a pinned commit, and no pin when offline", () =>
  withHub(async (hub, options) => {
    const folder = await downloadModel(ID, options);
    const pinned = { hub: ID, revision: hub.commits[`models/${ID}`]! };
    const unreachable = { ...options, endpoint: "http://127.0.0.1:9" };
    assert.equal(await downloadModel(pinned, unreachable), folder);
    assert.equal(await downloadModel(ID, { ...unreachable, offline: true }), folder);
  }));

Deno.test("downloadModel() names what an offline cache lacks", () =>
  withHub(async (_, options) => {
    const folder = await downloadModel(ID, options);
    await Deno.remove(`${folder}/model.safetensors`);
    const message = await rejection(downloadModel(ID, { ...options, offline: true }));
    assert.match(message, /lacks its model\.safetensors\. Unset HF_HUB_OFFLINE/);
    assert.ok(message.includes(options.cacheFolder!));
  }));

Deno.test("downloadModel() refuses a repository without weights before it downloads", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/models/tiny/bare`, { recursive: true });
  await Deno.writeTextFile(`${folder}/models/tiny/bare/config.json`, "{}");
  const hub = serveHub(folder);
  const options = { endpoint: hub.url, cacheFolder: folder, offline: false };
  const message = await rejection(downloadModel("tiny/bare", options));
  assert.match(message, /the repository has no tokenizer\.json, model\.safetensors\. Choose/);
  assert.equal(hub.requests.some(({ path }) => path.includes("/resolve/")), false);
  await hub.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("downloadModel() twice at once downloads once", () =>
  withHub(async (hub, options) => {
    const [a, b] = await Promise.all([downloadModel(ID, options), downloadModel(ID, options)]);
    assert.equal(a, b);
    assert.equal(weightRequests(hub).length, 1);
    assert.equal(Deno.statSync(`${a}/model.safetensors`).size, SIZE);
  }));

Deno.test("downloadModel() reports progress up to all files and bytes", () =>
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

Deno.test("hubSettings() are those of Python's huggingface_hub", async () => {
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
