import { createHash } from "node:crypto";
import { ATTEMPTS, pause } from "./fetch.ts";
import type { HubSettings } from "./settings.ts";

/** One file's content on the Hub and its place in the cache. */
export interface RemoteBlob {
  url: string;
  /** Where it is to lie: `blobs/<oid>` of the repository's cache folder. */
  path: string;
  /** Bytes. */
  size: number;
  /** The sha256 of a file in large-file storage, else git's own sha1. */
  oid: string;
}

/**
 * Downloads a file into the cache, beginning where an earlier download broke off.
 *
 * What has arrived lies in `<path>.incomplete`, also for the next process; only a file of the right
 * length and hash gets its name. Two processes take turns.
 *
 * @param onBytes told the file's length so far and the bytes just received
 * @throws Error when the content stays wrong or the connection is cut again and again.
 */
export async function downloadBlob(
  blob: RemoteBlob,
  fetch: typeof globalThis.fetch,
  settings: HubSettings,
  onBytes: (length: number, received: number) => void,
): Promise<void> {
  const incomplete = `${blob.path}.incomplete`;
  using file = await Deno.open(incomplete, { create: true, read: true, write: true });
  await file.lock(true);
  if (await isFile(blob.path)) return;
  for (let failures = 1;; failures++) {
    const start = await file.seek(0, Deno.SeekMode.End);
    let reason = "the connection was cut";
    if (start < blob.size) {
      const stop = new AbortController();
      const headers = { range: `bytes=${start}-` };
      const response = await fetch(blob.url, { headers, signal: stop.signal });
      // A server without ranges sends the whole file.
      if (response.status !== 206) await file.truncate();
      let length = await file.seek(0, Deno.SeekMode.End);
      const stall = () => stop.abort(new Error(`no byte came for ${settings.timeout / 1000} s`));
      let timer = setTimeout(stall, settings.timeout);
      try {
        for await (const chunk of response.body ?? []) {
          clearTimeout(timer);
          for (let n = 0; n < chunk.length;) n += await file.write(chunk.subarray(n));
          onBytes(length += chunk.length, chunk.length);
          timer = setTimeout(stall, settings.timeout);
        }
      } catch (error) {
        reason = (error as Error).message;
      } finally {
        clearTimeout(timer);
      }
    }
    const { size } = await file.stat();
    if (size >= blob.size) {
      const digest = blob.oid.length === 64
        ? await fileDigest(incomplete, "sha256")
        : await fileDigest(incomplete, "sha1", `blob ${size}\0`); // as git hashes a file
      if (digest === blob.oid) return await Deno.rename(incomplete, blob.path);
      await file.truncate();
      reason = `its ${size} bytes have the hash ${digest}, not ${blob.oid}`;
    }
    // A whole file in one go with the wrong content: the server's copy is bad.
    if (failures === ATTEMPTS || (start === 0 && size >= blob.size)) {
      throw new Error(
        `Cannot download ${blob.url}: ${reason}; try again (what is sound is kept), or set` +
          " HF_ENDPOINT to another mirror",
      );
    }
    await pause(failures, settings);
  }
}

/** A file's hash in hexadecimal; `prefix` is hashed before the content. */
export async function fileDigest(path: string, algorithm: string, prefix = ""): Promise<string> {
  const hash = createHash(algorithm).update(prefix);
  for await (const chunk of (await Deno.open(path)).readable) hash.update(chunk);
  return hash.digest("hex");
}

/** Whether `path` is a file, or a link to one that exists. */
export function isFile(path: string): Promise<boolean> {
  return Deno.stat(path).then((info) => info.isFile, () => false);
}
