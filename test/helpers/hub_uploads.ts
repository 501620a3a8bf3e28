/**
 * The half of hub_server.ts that takes what is published: it checks the token, and of each large file
 * length and sha256.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { digest, type HubServer, refuse } from "./hub_server.ts";

/** Larger files are sent in parts of so many bytes. */
const PART = 50_000;

/** A line of a commit. */
interface Operation {
  key: "header" | "file" | "lfsFile";
  /** A text file has its content, in base64; a large file has oid and size. */
  value: { path: string; content: string; oid: string; size: number };
}

/**
 * @param large Which paths go to large-file storage.
 * @param created gets the body of each request that creates a repository
 * @param read called when the folder has changed; returns the commits
 * @returns answers a request, or gives undefined when it is none to write
 */
export function takeUploads(
  folder: string,
  large: RegExp,
  created: HubServer["created"],
  read: () => HubServer["commits"],
) {
  const objects = new Map<string, Uint8Array>();
  const parts = new Map<string, Uint8Array[]>();

  return (request: Request, path: string, content: Uint8Array, hub: HubServer) => {
    const json = () => JSON.parse(new TextDecoder().decode(content));
    const token = request.headers.get("authorization");
    const [, oid, part] = path.match(/^\/upload\/(\w{64})(?:\/(\d+))?$/) ?? [];
    if (oid) {
      return token ? refuse(400, "TokenAtStorage") : store(oid, part, content, request.method);
    }
    const [, action] =
      path.match(/\/(repos\/create|preupload\/main|lfs\/objects\/batch|commit\/main)$/) ?? [];
    if (!action) return;
    if (!token) return refuse(401, "Unauthorized");
    if (action === "repos/create") return create(json(), hub);
    const [, name] = path.match(/^\/(?:api\/models\/)?([\w.-]+\/[\w.-]+?)(?:\.git)?\//) ?? [];
    if (!name || !existsSync(join(folder, "models", name))) return refuse(404, "RepoNotFound");
    if (action === "preupload/main") {
      const mode = (path: string) => large.test(path) ? "lfs" : "regular";
      const files: { path: string }[] = json().files;
      return Response.json({
        files: files.map(({ path }) => ({ path, uploadMode: mode(path), shouldIgnore: false })),
      });
    }
    if (action === "lfs/objects/batch") return batch(json().objects, hub);
    return commit(
      name,
      new TextDecoder().decode(content).trim().split("\n").map((x) => JSON.parse(x)),
      hub,
    );
  };

  function create(body: { organization: string; name: string }, hub: HubServer) {
    const name = `${body.organization}/${body.name}`;
    if (existsSync(join(folder, "models", name))) return refuse(409, "RepoExists");
    created.push(body);
    Deno.mkdirSync(join(folder, "models", name), { recursive: true });
    return Response.json({ id: name, url: `${hub.url}/${name}` });
  }

  /** https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md, with the Hub's parts. */
  function batch(wanted: { oid: string; size: number }[], { uploads }: HubServer) {
    const answer = wanted.map(({ oid, size }) => {
      if (objects.has(oid)) return { oid, size };
      const href = `${uploads}/upload/${oid}?signature=secret`;
      const numbers = Array.from({ length: Math.ceil(size / PART) }, (_, i) => i + 1);
      const address = (i: number) => [`0000${i}`, `${uploads}/upload/${oid}/${i}?signature=secret`];
      const header = size > PART
        ? { chunk_size: String(PART), ...Object.fromEntries(numbers.map(address)) }
        : {};
      return { oid, size, actions: { upload: { href, header } } };
    });
    return Response.json({ transfer: "basic", objects: answer });
  }

  function store(oid: string, part: string | undefined, content: Uint8Array, method: string) {
    if (part) {
      if (!parts.has(oid)) parts.set(oid, []);
      parts.get(oid)![Number(part) - 1] = content;
      return new Response(null, { headers: { etag: `"${digest("sha256", content)}"` } });
    }
    if (method === "POST") content = new Uint8Array(parts.get(oid)!.flatMap((bytes) => [...bytes]));
    if (digest("sha256", content) !== oid) return refuse(400, "WrongHash");
    objects.set(oid, content);
    return new Response();
  }

  function commit(name: string, operations: Operation[], { url }: HubServer) {
    const files = operations.filter(({ key }) => key !== "header").map(({ key, value }) => {
      const bytes = key === "file" ? Uint8Array.fromBase64(value.content) : objects.get(value.oid);
      return { ...value, bytes, sound: key === "file" || bytes?.length === value.size };
    });
    if (files.some(({ sound }) => !sound)) return refuse(400, "a large file is missing");
    for (const { path, bytes } of files) {
      const target = join(folder, "models", name, path);
      Deno.mkdirSync(dirname(target), { recursive: true });
      Deno.writeFileSync(target, bytes!);
    }
    const commitOid = read()[`models/${name}`];
    return Response.json({ commitOid, commitUrl: `${url}/${name}/commit/${commitOid}` });
  }
}
