/**
 * What a hostile Hub, a broken proxy or a bad cable may make of a sound answer.
 *
 * @module
 */

/** Draws a whole number below `n`. */
export type Below = (n: number) => number;

const VALUES: unknown[] = [
  null,
  true,
  0,
  -1,
  0.5,
  1e308,
  2 ** 53,
  "",
  "x",
  "..",
  "../../x",
  "/etc/passwd",
  "a\\b",
  "a\0b",
  "\x1b[2J\n",
  "\ud800",
  "0".repeat(40),
  "f".repeat(64),
  "9".repeat(100_000),
  "__proto__",
  [],
  {},
  [[]],
  { toString: 1, message: {} },
  JSON.parse("[".repeat(5000) + "]".repeat(5000)),
];

const TEXTS = [
  "",
  "null",
  "1",
  '"text"',
  "[]",
  "[null]",
  "[[]]",
  '[{"type":"file"}]',
  '{"error":{"toString":1}}',
  '{"sha":{}}',
  "{",
  "\ufeff[]",
  "<!DOCTYPE html><title>Sign in</title>",
  "{}\n{}",
  "[".repeat(100_000),
  "NaN",
];

const HEADERS: [name: string, values: string[]][] = [
  ["content-type", ["text/html", "TEXT/HTML; charset=x", "application/json", "image/png", ";"]],
  ["content-encoding", ["gzip", "br", "deflate", "zstd", "x", "gzip, gzip"]],
  ["content-range", ["bytes 0-0/1", "bytes 5-1/2", "bytes */*", "x"]],
  ["link", ['<>; rel="next"', '<x>; rel="next"', "next", '<file:///x>; rel="next"', 'rel="next"']],
  ["location", ["http://127.0.0.1:1/", "x:", "/", "", "http://[::1", "//"]],
  ["retry-after", ["-1", "x", "0", "Thu, 01 Jan 1970 00:00:00 GMT"]],
  ["x-error-code", ["GatedRepo", "RevisionNotFound", "x".repeat(5000), "%"]],
  ["etag", ['"x"', ""]],
];

/** Makes another answer of a sound one, with one change. */
export async function mutate(response: Response, below: Below): Promise<Response> {
  const pick = <T>(values: T[]) => values[below(values.length)]!;
  const bytes = new Uint8Array(await response.arrayBuffer());
  const headers = new Headers(response.headers);
  headers.delete("content-length");
  let { status } = response;
  let body: string | Uint8Array<ArrayBuffer> | null = bytes;
  const json = headers.get("content-type")?.startsWith("application/json");
  const kind = below(json ? 8 : 4);
  if (kind === 0) {
    const [name, values] = pick(HEADERS);
    headers.set(name, pick(values));
  } else if (kind === 1) {
    status = 200 + below(400);
    if ([204, 205, 304].includes(status)) body = null;
    if (body && below(2)) body = pick(TEXTS);
  } else if (kind === 2) {
    body = pick(TEXTS);
  } else if (kind === 3) {
    const at = below(bytes.length + 1);
    const how = below(3);
    if (how === 0) body = bytes.slice(0, at);
    else if (how === 1) bytes[at] = below(256);
    else body = new Uint8Array([...bytes.subarray(0, at), below(256), ...bytes.subarray(at)]);
  } else {body = JSON.stringify(
      mutateJson(JSON.parse(new TextDecoder().decode(bytes)), pick, below),
    );}
  return new Response(body, { status, headers });
}

function mutateJson(json: unknown, pick: <T>(values: T[]) => T, below: Below): unknown {
  if (typeof json !== "object" || json === null || below(6) === 0) return pick(VALUES);
  const keys = Object.keys(json);
  if (keys.length === 0 || below(12) === 0) {
    return Array.isArray(json) ? [...json, pick(VALUES)] : [json];
  }
  const key = pick(keys);
  const copy = (Array.isArray(json) ? [...json] : { ...json }) as Record<string, unknown>;
  if (below(6) === 0) delete copy[key]; // leaves a hole in a list, which becomes null
  else copy[key] = mutateJson(copy[key], pick, below);
  return copy;
}
