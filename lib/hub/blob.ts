import { dirname } from "node:path";
import { fileDigest, flush, openLocked } from "../files.ts";
import { ATTEMPTS, pause } from "./fetch.ts";
import type { HubSettings } from "./settings.ts";

/** One file's content on the Hub and its place in the cache. */
export interface RemoteBlob {
  url: string;
  /** Its place: `blobs/<oid>` in the repository's cache folder. */
  path: string;
  /** Its place in the snapshot, where another process may have moved it if there are no links. */
  target: string;
  /** Bytes. */
  size: number;
  /** The sha256 of a file in large-file storage, else git's own sha1. */
  oid: string;
}

/** A connection that brought this many bytes before it was cut does not count as a failure. */
const PROGRESS = 1_000_000;

/**
 * Downloads a file that the cache lacks, resuming where an earlier download was cut.
 *
 * What has arrived is kept in `<path>.incomplete`, for other processes too, which take turns. Only a
 * file of the right length and hash gets its name, so no ETag is needed to notice that the content
 * has changed between two parts.
 *
 * @param onBytes Called with the file's length so far and the number of bytes just received.
 * @returns Whether it came now; else the cache has got it by now.
 * @throws {Error} When the content stays wrong, the connection is cut again and again, or the file
 * cannot be written.
 */
export async function downloadBlob(
  blob: RemoteBlob,
  fetch: typeof globalThis.fetch,
  settings: HubSettings,
  onBytes: (length: number, received: number) => void,
): Promise<boolean> {
  if (await isComplete(blob)) return false;
  const incomplete = `${blob.path}.incomplete`;
  const open = () => Deno.open(incomplete, { create: true, read: true, write: true });
  using file = await openLocked(incomplete, open);
  if (await isComplete(blob)) { // another process was faster
    await Deno.remove(incomplete).catch(() => {});
    return false;
  }
  for (let failures = 1;; failures++) {
    const start = await file.seek(0, Deno.SeekMode.End);
    let length = start;
    let reason = "";
    if (start < blob.size) {
      const response = await fetch(blob.url, { headers: { range: `bytes=${start}-` } });
      // A server without ranges sends the whole file.
      if (response.status !== 206) await file.truncate();
      length = await file.seek(0, Deno.SeekMode.End);
      for await (const chunk of untilCut(response, (error) => reason = error.message)) {
        for (let n = 0; n < chunk.length;) n += await file.write(chunk.subarray(n));
        onBytes(length += chunk.length, chunk.length);
        if (length > blob.size) break;
      }
    }
    if (length === blob.size) {
      const digest = blob.oid.length === 64
        ? await fileDigest(incomplete, "sha256")
        : await fileDigest(incomplete, "sha1", `blob ${length}\0`); // as git hashes a file
      if (digest === blob.oid) {
        await file.sync();
        await Deno.rename(incomplete, blob.path);
        await flush(dirname(blob.path));
        return true;
      }
      reason = `its ${length} bytes have the hash ${digest}, not ${blob.oid}`;
    } else if (length > blob.size) reason = `more than its ${blob.size} bytes came`;
    else reason ||= `only ${length} of its ${blob.size} bytes came`;
    if (length >= blob.size) await file.truncate();
    // A whole file in one go with the wrong content: the server's copy is bad.
    if (failures === ATTEMPTS || (start === 0 && length >= blob.size)) {
      throw new Error(
        `Cannot download ${blob.url}: ${reason}. Try again (valid parts are` +
          " kept), or set HF_ENDPOINT to another mirror",
      );
    }
    if (length - start >= PROGRESS) failures = 0;
    await pause(failures, settings);
  }
}

/** The chunks of a response, up to a cut of the connection; the consumer's errors are its own. */
async function* untilCut({ body }: Response, onCut: (error: Error) => void) {
  try {
    if (body) yield* body;
  } catch (error) {
    onCut(error as Error);
  }
}

async function isComplete({ path, target, size }: RemoteBlob): Promise<boolean> {
  return await isWhole(path, size) || await isWhole(target, size);
}

/** Whether a path leads to a file of that many bytes. */
export function isWhole(path: string, size: number): Promise<boolean> {
  return Deno.stat(path).then((info) => info.isFile && info.size === size, () => false);
}
