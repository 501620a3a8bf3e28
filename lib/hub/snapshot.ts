import { datasetInfo, type ListFileEntry, listFiles, modelInfo } from "@huggingface/hub";
import { readdir } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { isFile, writeFile, writeLink } from "../files.ts";
import { downloadBlob } from "./blob.ts";
import { hubFetch, type Repo, REPO_NAME } from "./fetch.ts";
import { type HubOptions, type HubSettings, hubSettings } from "./settings.ts";

/** Which files of a repository are wanted. */
export interface FileSet {
  /** Matches the paths to take. */
  wanted: RegExp;
  /** Patterns that some path must match, by the names that errors use. */
  required: Record<string, RegExp>;
}

/** What is wanted of a repository. */
export interface SnapshotRequest extends Repo, FileSet {
  /** A commit, tag or branch. @default {"main"} */
  revision?: string | undefined;
}

const COMMIT = /^[0-9a-f]{40}$/;
const PATH = /^(?!.*\.\.)\w[\w.-]*(\/\w[\w.-]*)*$/;

/**
 * Downloads the wanted files of a repository into the cache that Python's libraries share.
 *
 * A snapshot of a pinned commit that is complete is returned without a request. `@huggingface/hub`
 * calls the Hub's API; contents are downloaded by {@link downloadBlob}, as that library (2.17)
 * neither resumes nor checks hashes.
 *
 * @param request What is wanted.
 * @param options How to reach the Hub.
 * @returns The snapshot's folder.
 * @throws {TypeError} When a name, given or sent by the Hub, could leave the cache folder.
 * @throws {Error} When a file is missing, the Hub refuses, or the cache cannot be written.
 */
export async function downloadSnapshot(
  request: SnapshotRequest,
  options: HubOptions = {},
): Promise<string> {
  const { type, name, revision = "main", required } = request;
  check("hub", "organisation/name", name, REPO_NAME);
  check("revision", "a commit, tag or branch", revision, PATH);
  const settings = hubSettings(options);
  const hub = {
    repo: { type, name },
    hubUrl: settings.endpoint,
    fetch: hubFetch(request, settings),
  };
  const storage = join(settings.cacheFolder, `${type}s--${name.replace("/", "--")}`);
  const reference = join(storage, "refs", revision);
  const pinned = COMMIT.test(revision);

  let commit = revision;
  if (!pinned && settings.offline) {
    const saved = (await Deno.readTextFile(reference).catch(() => "")).trim();
    if (COMMIT.test(saved)) commit = saved;
  } else if (!pinned) {
    const query = { ...hub, name, revision, additionalFields: ["sha" as const] };
    commit = (await (type === "model" ? modelInfo(query) : datasetInfo(query))).sha;
    check("sha", "a commit", commit, COMMIT);
  }
  const snapshot = join(storage, "snapshots", commit);
  const lacking = missing(await filesIn(snapshot), required);
  if (lacking.length > 0 && settings.offline) {
    throw new Error(
      `Cannot load ${name} at ${revision} as HF_HUB_OFFLINE is set and ${settings.cacheFolder} lacks` +
        ` its ${lacking.join(", ")}. Unset HF_HUB_OFFLINE to download it, or set HF_HOME to the` +
        " folder that holds it",
    );
  }
  try {
    if (lacking.length > 0) await downloadFiles(request, commit, storage, hub, settings);
    if (!pinned && !settings.offline) await writeFile(reference, commit);
  } catch (error) {
    if (!(error as { code?: string }).code) throw error; // only the system's errors have one
    throw new Error(
      `Cannot keep ${name} in ${settings.cacheFolder}: ${(error as Error).message}. Fix that, or` +
        " set HF_HOME to a folder on another disk (what has arrived is kept)",
      { cause: error },
    );
  }
  return snapshot;
}

async function downloadFiles(
  { type, name, wanted, required }: SnapshotRequest,
  commit: string,
  storage: string,
  hub: { repo: Repo; hubUrl: string; fetch: typeof fetch },
  settings: HubSettings,
) {
  const entries: ListFileEntry[] = [];
  for await (const entry of listFiles({ ...hub, revision: commit, recursive: true })) {
    if (entry.type === "file" && wanted.test(entry.path)) entries.push(entry);
  }
  const absent = missing(entries.map(({ path }) => path), required);
  if (absent.length > 0) {
    throw new Error(
      `Cannot load ${name} at ${commit} as the repository has no ${absent.join(", ")}. Choose` +
        " another repository or revision",
    );
  }
  const blobs = entries.map(({ path, size, lfs, oid }) => ({ path, size, oid: lfs?.oid ?? oid! }));
  for (const { path, oid } of blobs) {
    check("path", "inside the repository", path, PATH);
    check("oid", "a sha1 or sha256", oid, /^([0-9a-f]{40}|[0-9a-f]{64})$/);
  }
  // What is required comes last, so that a snapshot that has it is complete.
  const last = (path: string) => Object.values(required).some((pattern) => pattern.test(path));
  blobs.sort((a, b) => Number(last(a.path)) - Number(last(b.path)));
  await Deno.mkdir(join(storage, "blobs"), { recursive: true });
  const folder = `${hub.hubUrl}/${type === "model" ? "" : "datasets/"}${name}/resolve/${commit}`;
  const report = reporter(entries, settings);
  for (const { path, size, oid } of blobs) {
    const blob = { url: `${folder}/${path}`, path: join(storage, "blobs", oid), size, oid };
    await downloadBlob(blob, hub.fetch, settings, (length, n) => report(path, length, n));
    const link = join(storage, "snapshots", commit, path);
    await writeLink(link, relative(dirname(link), blob.path));
    report(path, size, 0, true);
  }
}

function check(option: string, meaning: string, value: unknown, pattern: RegExp) {
  if (typeof value !== "string" || !pattern.test(value)) {
    throw new TypeError(
      `Cannot load from the Hub as '${option}' must be ${meaning}: current value is` +
        ` ${JSON.stringify(value)?.replace(/[^\x20-\x7e]/g, "?").slice(0, 100)}`,
    );
  }
}

/** The paths of all files in a folder, links to files included; none if there is no such folder. */
export async function filesIn(folder: string): Promise<string[]> {
  const paths = await readdir(folder, { recursive: true }).catch(() => []);
  const areFiles = await Promise.all(paths.map((path) => isFile(join(folder, path))));
  return paths.filter((_, i) => areFiles[i]);
}

/** What is required and not among `paths`: a pattern without a match, or some of a model's shards. */
export function missing(paths: string[], required: Record<string, RegExp>): string[] {
  const absent = Object.keys(required).filter((name) =>
    !paths.some((path) => required[name]!.test(path))
  );
  const family = (path: string) => path.replace(/-\d{5}-of-/, "-*-of-");
  for (const path of paths) {
    const count = Number(path.match(/-\d{5}-of-(\d{5})/)?.[1] ?? 1);
    const siblings = paths.filter((other) => family(other) === family(path)).length;
    if (siblings < count) absent.push(`${family(path)} (${siblings} of ${count})`);
  }
  return [...new Set(absent)];
}

function reporter(entries: ListFileEntry[], settings: HubSettings) {
  const totalBytes = entries.reduce((sum, { size }) => sum + size, 0);
  const began = performance.now();
  let [reported, files, before, received] = [0, 0, 0, 0];
  return (file: string, length: number, arrived: number, complete = false) => {
    received += arrived;
    const now = performance.now();
    if (!complete && now - reported < 100) return;
    reported = now;
    if (complete) files++;
    settings.onProgress({
      file,
      files,
      totalFiles: entries.length,
      bytes: before + length,
      totalBytes,
      bytesPerSecond: received / Math.max(now - began, 1) * 1000,
    });
    if (complete) before += length;
  };
}
