import assert from "node:assert/strict";
import { readTree } from "../../lib/hub/listing.ts";
import { downloadModel } from "../../lib/hub/model.ts";
import { diskWithoutLinks, readOnlyDisk } from "../helpers/disks.ts";
import type { HubServer } from "../helpers/hub_server.ts";
import { caughtWarnings } from "../helpers/sources.ts";
import { assertSound, HUB, names, rejection, ROOT, withHub } from "../helpers/with_hub.ts";

const ID = "tiny/wordpiece";
const NAMES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
const OPTIONAL = "tokenizer_config.json";
/** Nobody listens there. */
const NOWHERE = { endpoint: "http://127.0.0.1:9" };

const pinned = (hub: HubServer) => ({ hub: ID, revision: hub.commits[`models/${ID}`]! });
const storageOf = (cacheFolder: string) => `${cacheFolder}/models--tiny--wordpiece`;

/** What was asked since the last call. */
function asked(hub: HubServer): string[] {
  const kinds = hub.requests.map(({ path }) => path.match(/revision|tree|[\w.]+$/)![0]);
  hub.requests.length = 0;
  return kinds;
}

/** Removes a file of a snapshot, and its blob. */
async function lose(file: string) {
  const blob = await Deno.realPath(file);
  await Deno.remove(file);
  await Deno.remove(blob).catch(() => {});
}

const cut = async (file: string) => await Deno.truncate(await Deno.realPath(file), 10);

function assertContents(folder: string) {
  assert.deepEqual(names(folder), NAMES);
  for (const name of NAMES) {
    const expected = Deno.readFileSync(`${HUB}/models/${ID}/${name}`);
    assert.deepEqual(Deno.readFileSync(`${folder}/${name}`), expected);
  }
}

Deno.test("downloadModel() writes nothing to a complete cache, which may be read-only", async (t) => {
  const before: Record<string, (storage: string) => Promise<void>> = {
    "with the same reference": async () => {},
    "with the reference of an older commit": (storage) =>
      Deno.writeTextFile(`${storage}/refs/main`, "0".repeat(40)),
    "without a reference": (storage) => Deno.remove(`${storage}/refs`, { recursive: true }),
    "without a list of files": (storage) => Deno.remove(`${storage}/trees`, { recursive: true }),
  };
  for (const [name, prepare] of Object.entries(before)) {
    await t.step(name, () =>
      withHub(async (hub, options) => {
        const folder = await downloadModel(ID, options);
        await prepare(storageOf(options.cacheFolder));
        using _ = readOnlyDisk();
        assert.equal(await downloadModel(ID, options), folder);
        assert.equal(await downloadModel(pinned(hub), options), folder);
      }));
  }
});

Deno.test("downloadModel() says that an incomplete cache cannot be written", () =>
  withHub(async (_, options) => {
    const folder = await downloadModel(ID, options);
    await lose(`${folder}/${OPTIONAL}`);
    using __ = readOnlyDisk();
    const message = await rejection(downloadModel(ID, options));
    assert.match(message, /^Cannot keep tiny\/wordpiece in .*: Read-only file .*set HF_HOME to a/);
  }));

/** Runs a shell's commands where they may mount what they like, seen by nobody else. */
const mounting = (commands: string, ...args: string[]) =>
  new Deno.Command("unshare", { args: ["-rm", "sh", "-c", commands, "sh", ...args] }).output();
const READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"';
const probe = await Deno.makeTempDir();
const { success: canMount } = await mounting(READ_ONLY, probe).catch(() => ({ success: false }));
await Deno.remove(probe);

Deno.test({
  name: "downloadModel() takes a complete cache from a mount that is read-only" +
    (canMount ? "" : " (ignored: 'unshare -rm' may not mount here)"),
  ignore: !canMount,
  fn: () =>
    withHub(async (hub, options) => {
      const folder = await downloadModel(ID, options);
      const { cacheFolder, endpoint } = options;
      const code = `
        import { downloadModel } from "${new URL("../../lib/hub/model.ts", import.meta.url)}";
        const options = { endpoint: "${endpoint}", cacheFolder: "${cacheFolder}", offline: false };
        await Deno.writeTextFile("${cacheFolder}/x", "x").then(() => Deno.exit(2), () => {});
        for (const revision of ["main", "${pinned(hub).revision}"]) {
          console.log(await downloadModel({ hub: "${ID}", revision }, options));
        }`;
      const run = `${READ_ONLY} && cd "$2" && exec "$3" eval "$4"`;
      const { stdout, stderr } = await mounting(run, cacheFolder, ROOT, Deno.execPath(), code);
      const printed = new TextDecoder().decode(stdout);
      assert.equal(printed, `${folder}\n${folder}\n`, new TextDecoder().decode(stderr));
    }),
});

Deno.test("downloadModel() moves a new blob into the snapshot where there are no links", async (t) => {
  const disks: Record<string, () => Disposable> = {
    "on the disk": diskWithoutLinks,
    "by HF_HUB_DISABLE_SYMLINKS": () => {
      Deno.env.set("HF_HUB_DISABLE_SYMLINKS", "1");
      return { [Symbol.dispose]: () => Deno.env.delete("HF_HUB_DISABLE_SYMLINKS") };
    },
  };
  for (const [name, disk] of Object.entries(disks)) {
    await t.step(name, () =>
      withHub(async (hub, options) => {
        using _ = disk();
        const folder = await downloadModel(ID, options);
        assertContents(folder);
        for (const name of NAMES) assert.ok(Deno.lstatSync(`${folder}/${name}`).isFile, name);
        assert.deepEqual(names(`${storageOf(options.cacheFolder)}/blobs`), []);
        await assertSound(options.cacheFolder);

        asked(hub);
        assert.equal(await downloadModel(ID, options), folder);
        assert.equal(await downloadModel(pinned(hub), options), folder);
        assert.equal(await downloadModel(ID, { ...options, offline: true }), folder);
        assert.deepEqual(asked(hub), ["revision"]);

        await Deno.remove(`${folder}/${OPTIONAL}`);
        await downloadModel(ID, options);
        assert.deepEqual(asked(hub), ["revision", OPTIONAL]); // and nothing that was there
        assertContents(folder);
      }));
  }
});

Deno.test("downloadModel() copies a blob that older links may need where there are no links now", () =>
  withHub(async (hub, options) => {
    const folder = await downloadModel(ID, options);
    const blobs = names(`${storageOf(options.cacheFolder)}/blobs`);
    await Deno.remove(folder, { recursive: true });
    asked(hub);
    using _ = diskWithoutLinks();
    assert.equal(await downloadModel(ID, options), folder);
    assert.deepEqual(asked(hub), ["revision"]);
    assertContents(folder);
    assert.ok(Deno.lstatSync(`${folder}/config.json`).isFile);
    assert.deepEqual(names(`${storageOf(options.cacheFolder)}/blobs`), blobs);
  }));

Deno.test("downloadModel() ten times at once gives whole files where there are no links", () =>
  withHub(async (_, options) => {
    using __ = diskWithoutLinks();
    const folders = await Promise.all(Array.from({ length: 10 }, () => downloadModel(ID, options)));
    assert.equal(new Set(folders).size, 1);
    assertContents(folders[0]!);
  }));

Deno.test("downloadModel() completes a snapshot that lacks an optional file", async (t) => {
  const cases: Record<string, [spoil: (folder: string) => Promise<void>, lists: string[]]> = {
    "which is gone": [(folder) => lose(`${folder}/${OPTIONAL}`), []],
    "which was cut off": [(folder) => cut(`${folder}/${OPTIONAL}`), []],
    "and has no list of files": [async (folder) => {
      await lose(`${folder}/${OPTIONAL}`);
      await Deno.remove(`${folder}/../../trees`, { recursive: true });
    }, ["tree"]],
    "and has a damaged list of files": [async (folder) => {
      await lose(`${folder}/${OPTIONAL}`);
      const [tree = ""] = names(`${folder}/../../trees`);
      await Deno.writeTextFile(`${folder}/../../trees/${tree}`, '{"format_version": 1, "files": {');
    }, ["tree"]],
  };
  for (const [name, [spoil, lists]] of Object.entries(cases)) {
    await t.step(name, () =>
      withHub(async (hub, options) => {
        const folder = await downloadModel(ID, options);
        await spoil(folder);
        asked(hub);
        assert.equal(await downloadModel(pinned(hub), options), folder);
        assert.deepEqual([...new Set(asked(hub))], [...lists, OPTIONAL]);
        assertContents(folder);
        await downloadModel(pinned(hub), options);
        assert.deepEqual(asked(hub), []);
      }));
  }
});

Deno.test("downloadModel() says which optional files an offline cache lacks", () =>
  withHub(async (_, options) => {
    const folder = await downloadModel(ID, options);
    const offline = { ...options, offline: true };
    using warnings = caughtWarnings();
    await downloadModel(ID, offline);
    assert.deepEqual(warnings.said, []);
    await lose(`${folder}/${OPTIONAL}`);
    assert.equal(await downloadModel(ID, offline), folder);
    assert.match(
      warnings.said.join(),
      /^tiny\/wordpiece at main: .* lacks its tokenizer_config\.json, .* Unset HF_HUB_OFFLINE to/,
    );
  }));

Deno.test("downloadModel() says that a cache without a list of files may lack some, if the Hub is away", () =>
  withHub(async (hub, options) => {
    const folder = await downloadModel(ID, options);
    await Deno.remove(`${storageOf(options.cacheFolder)}/trees`, { recursive: true });
    using warnings = caughtWarnings();
    assert.equal(await downloadModel(pinned(hub), { ...options, ...NOWHERE }), folder);
    assert.match(warnings.said.join(), /may lack files .*: Cannot download the list of .*, 1 time/);
    await Deno.remove(`${folder}/config.json`);
    const message = await rejection(downloadModel(pinned(hub), { ...options, ...NOWHERE }));
    assert.match(message, /^Cannot download the list of files of tiny\/wordpiece: .*, 5 times/);
  }));

Deno.test("downloadModel() says which optional file it cannot complete, and how to go on without", () =>
  withHub(async (hub, options) => {
    const folder = await downloadModel(ID, options);
    await lose(`${folder}/${OPTIONAL}`);
    const message = await rejection(downloadModel(pinned(hub), { ...options, ...NOWHERE }));
    assert.match(message, /^Cannot download tokenizer_config\.json of .* HF_HUB_OFFLINE=1 to use/);
  }));

Deno.test("downloadModel() takes a required file of the wrong length for missing, offline too", () =>
  withHub(async (_, options) => {
    const folder = await downloadModel(ID, options);
    await cut(`${folder}/model.safetensors`);
    const message = await rejection(downloadModel(ID, { ...options, offline: true }));
    assert.match(message, /HF_HUB_OFFLINE is set and .* lacks its model\.safetensors\. Unset/);
    await downloadModel(ID, options);
    assertContents(folder);
  }));

Deno.test("readTree() takes a list of files with anything unsound in it for none", async () => {
  const commit = "0".repeat(40);
  const storage = await Deno.makeTempDir();
  await Deno.mkdir(`${storage}/trees`);
  const sound = { size: 1, blob_id: commit };
  const trees: [tree: unknown, isSound: boolean][] = [
    [{ format_version: 1, files: { a: sound } }, true],
    [{ format_version: 1, files: { a: { ...sound, lfs_sha256: "1".repeat(64) } } }, true],
    [{ format_version: 2, files: { a: sound } }, false],
    [{ format_version: 1, files: { a: { ...sound, size: -1 } } }, false],
    [{ format_version: 1, files: { a: { ...sound, size: "1" } } }, false],
    [{ format_version: 1, files: { a: { ...sound, blob_id: "../x" } } }, false],
    [{ format_version: 1, files: { a: { ...sound, blob_id: 1 } } }, false],
    [{ format_version: 1, files: { a: { ...sound, lfs_sha256: "../x" } } }, false],
    [{ format_version: 1, files: { a: null } }, false],
    [{ format_version: 1 }, false],
    [null, false],
    [[], false],
  ];
  for (const [tree, isSound] of trees) {
    await Deno.writeTextFile(`${storage}/trees/${commit}.json`, JSON.stringify(tree));
    const read = await readTree(storage, commit);
    assert.equal(read !== undefined, isSound, JSON.stringify(tree));
  }
  await Deno.remove(storage, { recursive: true });
});
