import assert from "node:assert/strict";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { fileDigest } from "../../lib/files.ts";
import type { HubOptions } from "../../lib/hub/settings.ts";
import { type HubServer, serveHub } from "./hub_server.ts";

export const HUB = fileURLToPath(new URL("../fixtures/hub", import.meta.url));
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** No message may hold it. */
export const TOKEN = "hf_mustNotBeShown";

export const names = (folder: string) =>
  Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();

export const weightRequests = (hub: HubServer) =>
  hub.requests.filter(({ path }) => path.includes("/cdn/"));

/**
 * Runs a test with a server of its own and an empty cache, which must hold no bad file afterwards.
 *
 * @param folder What is served.
 */
export async function withHub(
  test: (hub: HubServer, options: HubOptions & { cacheFolder: string }) => Promise<void>,
  folder = HUB,
) {
  const parent = await Deno.makeTempDir();
  const cacheFolder = `${parent}/cache`;
  const hub = serveHub(folder, 0, 2); // two a page: the file list goes over several
  try {
    const options = { endpoint: hub.url, offline: false, retryDelay: 1, token: TOKEN };
    await test(hub, { ...options, cacheFolder });
    assert.deepEqual(names(parent).filter((name) => name !== "cache"), []);
    await assertSound(cacheFolder);
  } finally {
    await hub.close();
    await Deno.remove(parent, { recursive: true });
  }
}

/** As {@link withHub}, with tiny/wordpiece served with weights of that many bytes. */
export async function withWeights(size: number, test: Parameters<typeof withHub>[0]) {
  const folder = await Deno.makeTempDir();
  const served = `${folder}/models/tiny/wordpiece`;
  await Deno.mkdir(`${folder}/models/tiny`, { recursive: true });
  await new Deno.Command("cp", { args: ["-r", `${HUB}/models/tiny/wordpiece`, served] }).output();
  await Deno.writeFile(`${served}/model.safetensors`, new Uint8Array(size));
  await withHub(test, folder);
  await Deno.remove(folder, { recursive: true });
}

/**
 * Each blob has the hash that is its name, or is incomplete; each link leads to a blob. A snapshot's file that is no link
 * has the hash that the commit's list names.
 */
export async function assertSound(cacheFolder: string) {
  for (const repo of await Deno.stat(cacheFolder).then(() => names(cacheFolder), () => [])) {
    assert.match(repo, /^(model|dataset)s--\w+--\w+$/);
    const storage = `${cacheFolder}/${repo}`;
    for (const part of names(storage)) assert.match(part, /^(blobs|refs|snapshots|trees)$/);
    for (const blob of names(`${storage}/blobs`)) {
      assert.match(blob, /^(\w{40}|\w{64})(\.incomplete)?$/);
      if (blob.endsWith(".incomplete")) continue;
      assert.equal(await digestOf(`${storage}/blobs/${blob}`, blob), blob);
    }
    const snapshots = `${storage}/snapshots`;
    for (const commit of await Deno.stat(snapshots).then(() => names(snapshots), () => [])) {
      assert.match(commit, /^\w{40}$/);
      for (const file of names(`${snapshots}/${commit}`)) {
        const path = `${snapshots}/${commit}/${file}`;
        if (Deno.lstatSync(path).isFile) {
          const tree = JSON.parse(Deno.readTextFileSync(`${storage}/trees/${commit}.json`));
          const { blob_id, lfs_sha256 = blob_id } = tree.files[file];
          assert.equal(await digestOf(path, lfs_sha256), lfs_sha256);
          continue;
        }
        const target = await Deno.realPath(path);
        assert.equal(target, `${await Deno.realPath(storage)}/blobs/${basename(target)}`);
      }
    }
  }
}

function digestOf(path: string, { length }: string): Promise<string> {
  return length === 64
    ? fileDigest(path, "sha256")
    : fileDigest(path, "sha1", `blob ${Deno.statSync(path).size}\0`);
}

/** The error of a promise, one line long and without the token, its causes included. */
export async function rejection(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(() => assert.fail("resolved"), (error: Error) => error);
  assert.equal(error.message.includes("\n"), false, error.message);
  assert.equal(Deno.inspect(error).includes(TOKEN), false);
  return error.message;
}
