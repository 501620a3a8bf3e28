/**
 * A Hugging Face Hub on loopback over a folder: models/ORG/NAME/… and datasets/ORG/NAME/….
 *
 *     deno run -A test/helpers/hub_server.ts FOLDER [PORT]
 *
 * It speaks what `@huggingface/hub` and Python's huggingface_hub ask when they download. Large files
 * are answered as the Hub does: the API gives their sha256, and /resolve/ redirects to another host.
 * What is published to it goes into the folder and is served from then on.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { join, relative } from "node:path";
import { takeUploads } from "./hub_uploads.ts";

/** A fault for the next `times` requests whose path matches. */
export type Fault =
  & { match: RegExp; times: number }
  & (
    | { status: number; headers?: HeadersInit }
    | { cutAfter: number }
    | { stall: true }
    | { wrongBytes: true }
    | { ignoreRange: true }
    | { answer: (sound: () => Response) => Response | Promise<Response> }
  );

/** A running server. */
export interface HubServer {
  url: string;
  /** The commit that any branch or tag stands for, by repository (`models/ORG/NAME`). */
  commits: Record<string, string>;
  /** The body of each request that created a repository. */
  created: Record<string, unknown>[];
  /** Where large files are to be sent. @default another name of this server */
  uploads: string;
  /** Every request so far. */
  requests: { method: string; path: string; range: string | null; token: string | null }[];
  /** The first that matches a request and has `times` left happens to it. */
  faults: Fault[];
  close(): Promise<void>;
}

interface Entry {
  type: "file";
  path: string;
  size: number;
  oid: string;
  lfs?: { oid: string; size: number; pointerSize: number };
}

const LARGE = /\.(safetensors|parquet|bin|onnx)$/;

/**
 * Serves a folder. It is read at the start and after each commit: restart the server when it changes
 * otherwise.
 *
 * @param port @default 0, any free one
 * @param pageSize entries of a file list before it goes on at a `Link`; @default 1000
 */
export function serveHub(folder: string, port = 0, pageSize = 1000): HubServer {
  let repos: Record<string, Entry[]>;
  const commits: Record<string, string> = {};
  const read = () => {
    repos = readRepos(folder);
    for (const [id, files] of Object.entries(repos)) {
      commits[id] = digest("sha1", JSON.stringify(files));
    }
    return commits;
  };
  read();
  const requests: HubServer["requests"] = [];
  const faults: Fault[] = [];
  const created: HubServer["created"] = [];
  const upload = takeUploads(folder, LARGE, created, read);
  const ending = new AbortController();

  function answer(request: Request, url: URL, content: Uint8Array): Response {
    const path = decodeURIComponent(url.pathname);
    const taken = upload(request, path, content, hub);
    if (taken) return taken;
    const body = new TextDecoder().decode(content);
    if (path.startsWith("/cdn/")) return file(request, join(folder, path.slice(5)));
    const [, api, kind, name, action, revision, rest = ""] = path.match(
      /^\/(api\/)?(?:(models|datasets)\/)?([\w.-]+\/[\w.-]+?)(?:\/(revision|tree|paths-info|resolve)\/([^/]+)\/?(.*))?$/,
    ) ?? [];
    const id = `${kind ?? "models"}/${name}`;
    const files = repos[id];
    const commit = /^[0-9a-f]{40}$/.test(revision ?? "") ? revision : commits[id];
    if (!files || !commit) return refuse(401, "RepoNotFound");
    if (/^no-such-/.test(revision ?? "")) return refuse(404, "RevisionNotFound");
    if (api && (action === "revision" || !action)) {
      const siblings = files.map(({ path }) => ({ rfilename: path }));
      return Response.json({ _id: commit.slice(24), id: name, sha: commit, siblings, tags: [] });
    }
    if (action === "tree") return tree(files.filter((f) => f.path.startsWith(rest)), url);
    if (action === "paths-info") {
      const paths = body.startsWith("{")
        ? JSON.parse(body).paths
        : new URLSearchParams(body).getAll("paths");
      return Response.json(files.filter((f) => paths.includes(f.path)));
    }
    const entry = files.find((f) => f.path === rest);
    if (!entry) return refuse(404, "EntryNotFound");
    const headers: Record<string, string> = { "x-repo-commit": commit, etag: `"${entry.oid}"` };
    if (!entry.lfs) return file(request, join(folder, id, entry.path), headers);
    const location = `http://localhost:${server.addr.port}/cdn/${id}/${entry.path}`;
    headers["x-linked-etag"] = `"${entry.lfs.oid}"`;
    headers["x-linked-size"] = String(entry.size);
    return new Response(null, { status: 302, headers: { ...headers, location } });
  }

  function tree(files: Entry[], url: URL): Response {
    if (files.length === 0) return refuse(404, "EntryNotFound");
    const start = Number(url.searchParams.get("cursor") ?? 0);
    const next = new URL(url);
    next.searchParams.set("cursor", String(start + pageSize));
    return Response.json(files.slice(start, start + pageSize), {
      headers: start + pageSize < files.length ? { link: `<${next}>; rel="next"` } : {},
    });
  }

  const server = Deno.serve(
    { port, hostname: "127.0.0.1", signal: ending.signal, onListen() {} },
    async (request) => {
      const url = new URL(request.url);
      requests.push({
        method: request.method,
        path: url.pathname,
        range: request.headers.get("range"),
        token: request.headers.get("authorization"),
      });
      const fault = faults.find((f) => f.times > 0 && f.match.test(url.pathname));
      if (fault) fault.times--;
      if (fault && "status" in fault) return new Response("no", fault);
      const body = await request.bytes().catch(() => undefined);
      if (!body) return refuse(400, "cut");
      if (fault && "ignoreRange" in fault) return answer(new Request(url), url, body);
      if (fault && "answer" in fault) return fault.answer(() => answer(request, url, body));
      const response = answer(request, url, body);
      return fault ? spoil(response, fault) : response;
    },
  );

  async function close() {
    ending.abort();
    await server.finished;
  }
  const hub: HubServer = {
    url: `http://127.0.0.1:${server.addr.port}`,
    commits,
    requests,
    faults,
    created,
    uploads: `http://localhost:${server.addr.port}`,
    close,
  };
  return hub;
}

export function refuse(status: number, code: string): Response {
  return Response.json({ error: code }, { status, headers: { "x-error-code": code } });
}

function file(request: Request, path: string, headers: Record<string, string> = {}): Response {
  const bytes = Deno.readFileSync(path);
  const [, from, to] = request.headers.get("range")?.match(/^bytes=(\d+)-(\d*)$/) ?? [];
  const part = from ? bytes.subarray(Number(from), to ? Number(to) + 1 : bytes.length) : bytes;
  headers = { ...headers, "accept-ranges": "bytes", "content-length": String(part.length) };
  if (from) {
    const end = Number(from) + part.length - 1;
    headers["content-range"] = `bytes ${from}-${end}/${bytes.length}`;
  }
  return new Response(request.method === "HEAD" ? null : part, {
    status: from ? 206 : 200,
    headers,
  });
}

async function spoil(response: Response, fault: Fault): Promise<Response> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  if ("wrongBytes" in fault) return new Response(bytes.map((byte) => byte ^ 1), response);
  const sent = "cutAfter" in fault ? bytes.subarray(0, fault.cutAfter) : bytes.subarray(0, 1);
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(sent);
      // Closed before content-length is reached: the connection breaks.
      if ("cutAfter" in fault) controller.close();
    },
  });
  const { status, headers } = response;
  headers.set("content-length", String(bytes.length));
  return new Response(body, { status, headers });
}

function readRepos(folder: string): Record<string, Entry[]> {
  const repos: Record<string, Entry[]> = {};
  for (const path of walk(folder)) {
    const [kind, org, name, ...rest] = path.split("/");
    if (rest.length === 0) continue;
    const bytes = Deno.readFileSync(join(folder, path));
    const size = bytes.length;
    const entry: Entry = { type: "file", path: rest.join("/"), size, oid: gitOid(bytes) };
    if (LARGE.test(path)) {
      const oid = digest("sha256", bytes);
      const pointer =
        `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${size}\n`;
      entry.oid = gitOid(new TextEncoder().encode(pointer));
      entry.lfs = { oid, size, pointerSize: pointer.length };
    }
    (repos[`${kind}/${org}/${name}`] ??= []).push(entry);
  }
  return repos;
}

function walk(folder: string, root = folder): string[] {
  const entries = [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1);
  return entries.flatMap(({ name, isDirectory }) =>
    isDirectory ? walk(join(folder, name), root) : [relative(root, join(folder, name))]
  );
}

export function digest(algorithm: string, data: string | Uint8Array): string {
  return createHash(algorithm).update(data).digest("hex");
}

function gitOid(bytes: Uint8Array): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

if (import.meta.main) {
  const [folder, port] = Deno.args;
  if (!folder) throw new TypeError("Usage: deno run -A test/helpers/hub_server.ts FOLDER [PORT]");
  console.log(serveHub(folder, Number(port ?? 0)).url);
}
