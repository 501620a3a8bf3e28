import { readdir } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { flush, isFile, writeFile, writeLink } from "../files.ts";
import { stopPoint } from "../interrupt.ts";
import { downloadBlob, isWhole } from "./blob.ts";
import { ATTEMPTS, hubFetch, type Repo, REPO_NAME } from "./fetch.ts";
import {
  type Connection,
  findCommit,
  isCommit,
  type ListedFile,
  listFiles,
  readTree,
  writeTree,
} from "./listing.ts";
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

const PATH = /^(?!.*\.\.)\w[\w.-]*(\/\w[\w.-]*)*$/;

/** Files that are read whole, and how long one may be; the largest tokenizers have 40 MB. */
const READ_WHOLE = /\.(json|txt|md)$/;
const MAX_MEGABYTES = 200;

/**
 * Downloads the wanted files of a repository into the cache that Python's libraries share.
 *
 * A snapshot of a pinned commit that is complete is returned without a request: the cache keeps the commit's list of
 * files, as huggingface_hub does. Without that list (an older library filled the cache) the Hub is asked once; if it does
 * not answer, what is required is enough, and `console.warn` says so. Contents are downloaded by {@link downloadBlob}, as
 * `@huggingface/hub` (2.17) neither resumes nor checks hashes.
 *
 * @param request What is wanted.
 * @param options How to reach the Hub.
 * @returns The snapshot's folder.
 * @throws {TypeError} When a name, given or sent by the Hub, could leave the cache folder, or two are one on some disks.
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
  const storage = join(settings.cacheFolder, `${type}s--${name.replace("/", "--")}`);
  const reference = join(storage, "refs", revision);
  const connect = (attempts: number): Connection => ({
    repo: { type, name },
    fetch: hubFetch(request, settings, "download", attempts),
    settings,
  });
  const saved = (await Deno.readTextFile(reference).catch(() => "")).trim();

  let commit = revision;
  if (!isCommit(revision)) {
    if (!settings.offline) commit = await findCommit(connect(ATTEMPTS), revision);
    else if (isCommit(saved)) commit = saved;
  }
  const snapshot = join(storage, "snapshots", commit);
  let tree = await readTree(storage, commit);
  const isListed = tree !== undefined;
  const present = tree
    ? await wholeFiles(wantedOf(tree, request), snapshot)
    : await filesIn(snapshot);
  const lacking = missing(present, required);
  if (settings.offline) {
    const optional = without(wantedOf(tree ?? [], request), present);
    checkOffline(`${name} at ${revision}`, lacking, optional, settings);
    return snapshot;
  }

  try {
    tree ??= await listFiles(connect(lacking.length > 0 ? ATTEMPTS : 1), commit);
  } catch (error) {
    if (lacking.length > 0) throw error;
    console.warn(
      `${name} at ${revision}: ${settings.cacheFolder} may lack files without which it gives other` +
        ` results: ${(error as Error).message}`,
    );
    return snapshot;
  }
  const files = wantedOf(tree, request);
  const absent = missing(files.map(({ path }) => path), required);
  if (absent.length > 0) {
    throw new Error(
      `Cannot load ${name} at ${commit} as the repository has no ${absent.join(", ")}. Choose` +
        " another repository or revision",
    );
  }
  const isComplete = (await wholeFiles(files, snapshot)).length === files.length;
  // A complete cache may be read-only, as in Python.
  const note = (written: Promise<void>) => isComplete ? written.catch(() => {}) : written;
  try {
    if (!isComplete) await downloadFiles(request, files, commit, storage, settings);
    if (!isListed) await note(writeTree(storage, commit, tree)); // its hashes were right
    if (commit !== revision && commit !== saved) await note(writeFile(reference, commit));
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

/** Refuses an offline cache that lacks what is required, and says what else it lacks. */
function checkOffline(
  name: string,
  lacking: string[],
  optional: string[],
  { cacheFolder }: HubSettings,
) {
  if (lacking.length > 0) {
    const files = lacking.join(", ");
    throw new Error(
      `Cannot load ${name} as HF_HUB_OFFLINE is set and ${cacheFolder} lacks its ${files}. Unset` +
        " HF_HUB_OFFLINE to download it, or set HF_HOME to the folder that holds it",
    );
  }
  if (optional.length > 0) {
    const files = optional.join(", ");
    console.warn(
      `${name}: HF_HUB_OFFLINE is set and ${cacheFolder} lacks its ${files}, without which it may` +
        " give other results. Unset HF_HUB_OFFLINE to download it",
    );
  }
}

async function downloadFiles(
  { type, name, required }: SnapshotRequest,
  files: ListedFile[],
  commit: string,
  storage: string,
  settings: HubSettings,
) {
  // What is required comes last: older versions take a snapshot that has it for complete.
  const last = ({ path }: ListedFile) =>
    Number(Object.values(required).some((pattern) => pattern.test(path)));
  files.sort((a, b) => last(a) - last(b));
  await Deno.mkdir(join(storage, "blobs"), { recursive: true });
  const kind = type === "model" ? "" : "datasets/";
  const folder = `${settings.endpoint}/${kind}${name}/resolve/${commit}`;
  const fetch = hubFetch({ type, name }, settings);
  const report = reporter(files, settings);
  using stop = stopPoint("the download");
  for (const { path, size, oid, sha256 } of files) {
    const blob = {
      url: `${folder}/${path}`,
      path: join(storage, "blobs", sha256 ?? oid),
      target: join(storage, "snapshots", commit, path),
      size,
      oid: sha256 ?? oid,
    };
    if (!await isWhole(blob.target, size)) {
      const isNew = await downloadBlob(blob, fetch, settings, (n, more) => {
        report(path, n, more);
        stop.check(`within ${path}; what has arrived is kept`);
      });
      await place(blob.path, blob.target, isNew, settings).catch(async (error) => {
        if (!await isWhole(blob.target, size)) throw error; // another process has moved it
      });
    }
    report(path, size, 0, true);
  }
}

/**
 * Puts a blob into a snapshot as a link or, where the file system has no links, as huggingface_hub does: a new blob is
 * moved, another one, to which older links may lead, copied.
 */
async function place(blob: string, path: string, isNew: boolean, { symlinks }: HubSettings) {
  if (symlinks) {
    try {
      return await writeLink(path, relative(dirname(path), blob));
    } catch (error) {
      if (!(error as { code?: string }).code) throw error;
    }
  }
  await Deno.mkdir(dirname(path), { recursive: true });
  if (isNew) await Deno.rename(blob, path);
  else {
    await writeFile(path, async (write) => {
      for await (const chunk of (await Deno.open(blob)).readable) await write(chunk);
    });
  }
  await flush(dirname(path));
}

/** The listed files that are wanted, by paths that a cache may hold. */
function wantedOf(tree: ListedFile[], { name, wanted }: SnapshotRequest): ListedFile[] {
  const remedy =
    `, from the Hub for ${name}. Choose another repository, or set HF_ENDPOINT to another mirror`;
  const files = tree.filter(({ path }) => wanted.test(path));
  const keys = new Set<string>();
  for (const { path, size } of files) {
    check("path", "inside the repository", path, PATH, remedy);
    if (READ_WHOLE.test(path) && size > MAX_MEGABYTES * 1e6) {
      throw new RangeError(
        `Cannot load ${name} as its ${path} must have at most ${MAX_MEGABYTES} MB: current value is` +
          ` ${size} bytes. Choose another repository or revision`,
      );
    }
    const key = path.toLowerCase(); // macOS and Windows ignore case
    if (keys.has(key)) refuse("path", "different from all others not by case alone", path, remedy);
    keys.add(key);
  }
  return files;
}

function without(files: ListedFile[], present: string[]): string[] {
  const paths = new Set(present);
  return files.map(({ path }) => path).filter((path) => !paths.has(path));
}

/** The paths of those files that a snapshot has, in their length. */
async function wholeFiles(files: ListedFile[], snapshot: string): Promise<string[]> {
  const areWhole = await Promise.all(
    files.map(({ path, size }) => isWhole(join(snapshot, path), size)),
  );
  return files.filter((_, i) => areWhole[i]).map(({ path }) => path);
}

function check(option: string, meaning: string, value: unknown, pattern: RegExp, remedy = "") {
  if (typeof value !== "string" || !pattern.test(value)) refuse(option, meaning, value, remedy);
}

function refuse(option: string, meaning: string, value: unknown, remedy: string): never {
  throw new TypeError(
    `Cannot load from the Hub as '${option}' must be ${meaning}: current value is` +
      ` ${JSON.stringify(value)?.replace(/[^\x20-\x7e]/g, "?").slice(0, 100)}${remedy}`,
  );
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
  const shards = new Map<string, { count: number; paths: Set<string> }>();
  for (const path of paths) {
    const count = path.match(/-\d{5}-of-(\d{5})/)?.[1];
    if (!count) continue;
    const family = path.replace(/-\d{5}-of-/, "-*-of-");
    const shard = shards.get(family) ?? { count: Number(count), paths: new Set() };
    shards.set(family, shard);
    shard.paths.add(path);
  }
  for (const [family, { count, paths: { size } }] of shards) {
    if (size < count) absent.push(`${family} (${size} of ${count})`);
  }
  return absent;
}

function reporter(entries: ListedFile[], settings: HubSettings) {
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
