import { join } from "node:path";
import { writeFile } from "../files.ts";
import { redact, type Repo } from "./fetch.ts";
import type { HubSettings } from "./settings.ts";

/** A file of a repository. */
export interface ListedFile {
  path: string;
  /** Bytes. */
  size: number;
  /** git's sha1 of the file or, of one in large-file storage, of its pointer. */
  oid: string;
  /** The sha256 of a file in large-file storage. */
  sha256?: string | undefined;
  /** Where Python finds it in Xet's storage. */
  xetHash?: string | undefined;
}

/** What the Hub is asked with. */
export interface Connection {
  repo: Repo;
  fetch: typeof fetch;
  settings: HubSettings;
}

/** What a list may have; the Hub itself sends 1,000 files a page, and advises against 100,000 files in a repository. */
const MAX_PAGES = 1000;
const MAX_FILES = 100_000;
const MAX_LENGTH = 100_000_000;
/** A list must have come after as many timeouts. */
const MAX_TIMEOUTS = 60;

const COMMIT = /^[0-9a-f]{40}$/;
const SHA256 = /^[0-9a-f]{64}$/;

/** Whether a revision is a whole commit hash. */
export const isCommit = (revision: string) => COMMIT.test(revision);

/**
 * Asks for the commit of a branch or tag.
 *
 * @throws {Error} When the Hub refuses, or answers something else.
 */
export async function findCommit(hub: Connection, revision: string): Promise<string> {
  const url = `${api(hub)}/revision/${encodeURIComponent(revision)}?expand=sha`;
  const { json } = await ask(hub, url);
  const sha = (json as { sha?: unknown } | null)?.sha;
  if (typeof sha !== "string" || !isCommit(sha)) {
    throw wrong(hub, url, "'sha' must be a commit", sha);
  }
  return sha;
}

/**
 * Asks for all files of a commit.
 *
 * @throws {Error} When the Hub refuses, answers something else, or the list has no end.
 */
export async function listFiles(hub: Connection, commit: string): Promise<ListedFile[]> {
  const files: ListedFile[] = [];
  const pages = new Set<string>();
  const { timeout } = hub.settings;
  const began = performance.now();
  let total = 0;
  let url: string | undefined = `${api(hub)}/tree/${commit}?recursive=true&expand=false`;
  while (url) {
    pages.add(url);
    const { json, length, headers } = await ask(hub, url);
    total += length;
    if (!Array.isArray(json)) throw wrong(hub, url, "the answer must be a list of files", json);
    for (const entry of json) {
      const file = listedFile(hub, url, entry);
      if (file) files.push(file);
    }
    url = nextPage(hub, url, headers);
    const fault = url && pages.has(url)
      ? "its pages lead back to one that has come"
      : url && pages.size === MAX_PAGES
      ? `it has more than ${MAX_PAGES} pages`
      : files.length > MAX_FILES
      ? `it has more than ${MAX_FILES} files`
      : total > MAX_LENGTH
      ? `it has more than ${MAX_LENGTH / 1e6} MB`
      : url && performance.now() - began > MAX_TIMEOUTS * timeout
      ? `it was not whole after ${MAX_TIMEOUTS * timeout / 1000} s`
      : undefined;
    if (fault) {
      throw new Error(
        `Cannot download the list of files of ${hub.repo.name}: ${fault}. Choose another repository,` +
          " or set HF_ENDPOINT to another mirror",
      );
    }
  }
  return files;
}

function api({ repo, settings }: Connection): string {
  return `${settings.endpoint}/api/${repo.type}s/${repo.name}`;
}

async function ask(hub: Connection, url: string) {
  const response = await hub.fetch(url, { headers: { accept: "application/json" } });
  const text = await response.text();
  try {
    const json: unknown = JSON.parse(text);
    return { json, length: text.length, headers: response.headers };
  } catch {
    throw wrong(hub, url, "the answer must be JSON", text);
  }
}

/** Checks an entry; returns `undefined` for a folder. */
function listedFile(hub: Connection, url: string, entry: unknown): ListedFile | undefined {
  const { type, path, size, oid, lfs, xetHash } = (entry ?? {}) as Record<string, unknown>;
  if (typeof type !== "string") throw wrong(hub, url, "'type' must be a text", type);
  if (type !== "file") return;
  if (typeof path !== "string") throw wrong(hub, url, "'path' must be a text", path);
  if (!Number.isSafeInteger(size) || (size as number) < 0) {
    throw wrong(hub, url, "'size' must be a number of bytes", size);
  }
  if (typeof oid !== "string" || !COMMIT.test(oid)) {
    throw wrong(hub, url, "'oid' must be a sha1", oid);
  }
  const sha256 = lfs ? (lfs as { oid?: unknown }).oid : undefined;
  if (lfs && (typeof sha256 !== "string" || !SHA256.test(sha256))) {
    throw wrong(hub, url, "'lfs.oid' must be a sha256", sha256);
  }
  const isXet = typeof xetHash === "string" && SHA256.test(xetHash);
  return {
    path,
    size: size as number,
    oid,
    sha256: sha256 as string | undefined,
    xetHash: isXet ? xetHash : undefined,
  };
}

function nextPage(hub: Connection, url: string, headers: Headers): string | undefined {
  const link = headers.get("link") ?? "";
  if (!/\brel="?next\b/.test(link)) return;
  const next = link.match(/<(https?:\/\/[^<>]+)>\s*;\s*rel="?next\b/)?.[1];
  if (!next || !URL.canParse(next)) {
    throw wrong(hub, url, "the header 'Link' must have the next page's URL", link);
  }
  return new URL(next).href;
}

function wrong({ repo, settings }: Connection, url: string, must: string, value: unknown): Error {
  const { origin, pathname } = new URL(url);
  const shown = Array.isArray(value)
    ? `a list of ${value.length}`
    : typeof value === "object" && value !== null
    ? `an object of ${Object.keys(value).slice(0, 5).join(", ") || "nothing"}`
    : Deno.inspect(value, { strAbbreviateSize: 200 });
  return new Error(
    `Cannot load ${repo.name} from the Hub as ${must}: current value at ${origin}${pathname} is` +
      ` ${
        redact(shown, settings).slice(0, 100)
      }. Check that HF_ENDPOINT is a Hub, or set it to another mirror`,
  );
}

/**
 * A commit's list of files, kept beside its snapshot as huggingface_hub (2.4) keeps it, so that both know which files a
 * snapshot should have.
 */
const treePath = (storage: string, commit: string) => join(storage, "trees", `${commit}.json`);

/** The list of a commit's files that the cache has; `undefined` if it has none or a damaged one. */
export async function readTree(storage: string, commit: string): Promise<ListedFile[] | undefined> {
  try {
    const tree = JSON.parse(await Deno.readTextFile(treePath(storage, commit)));
    if (tree.format_version !== 1) return;
    const files = Object.entries<Record<string, unknown>>(tree.files).map(([path, file]) => ({
      path,
      size: file.size as number,
      oid: file.blob_id as string,
      sha256: (file.lfs_sha256 ?? undefined) as string | undefined,
      xetHash: undefined,
    }));
    const isSound = files.every(({ size, oid, sha256 }) =>
      Number.isSafeInteger(size) && size >= 0 && COMMIT.test(oid) &&
      (sha256 === undefined || SHA256.test(sha256))
    );
    return isSound ? files : undefined;
  } catch {
    return;
  }
}

/** Writes what {@link readTree} reads. */
export async function writeTree(storage: string, commit: string, files: ListedFile[]) {
  const entries = files.map(({ path, size, oid, sha256, xetHash }) => [path, {
    size,
    blob_id: oid,
    ...(sha256 && { lfs_sha256: sha256, lfs_size: size }),
    ...(xetHash && { xet_hash: xetHash }),
  }]);
  const tree = { format_version: 1, files: Object.fromEntries(entries) };
  await writeFile(treePath(storage, commit), JSON.stringify(tree, null, 1));
}
