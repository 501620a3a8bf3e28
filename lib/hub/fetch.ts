import type { HubSettings } from "./settings.ts";

/** A model's or a data set's repository. */
export interface Repo {
  /** What it holds. */
  type: "model" | "dataset";
  /** `organisation/name`. */
  name: string;
}

/** What {@link Repo}'s name must match: it becomes part of paths and URLs. */
export const REPO_NAME = /^(?!.*\.\.)\w[\w.-]*(\/\w[\w.-]*)?$/;

/** How often a request, or a file whose connection was cut, is tried. */
export const ATTEMPTS = 5;

/** The most bytes, decompressed, of an answer that is read whole; a list of 1,000 files has 0.3 MB. */
const MAX_BYTES = 32_000_000;

/** An answer that is read whole must have come after as many timeouts. */
const MAX_TIMEOUTS = 30;

class TooLong extends Error {}

/** Waits before retry number `failures` (from 1), or as long as the server asks, at most five minutes. */
export function pause(failures: number, settings: HubSettings, retryAfter?: string | null) {
  const asked = Number(retryAfter) * 1000 || Date.parse(retryAfter ?? "") - Date.now() || 0;
  const wait = Math.max(settings.retryDelay * 2 ** (failures - 1), Math.min(asked, 300_000));
  return new Promise((resolve) => setTimeout(resolve, wait));
}

/**
 * Makes a server's text safe for a message: printable ASCII without the token and without queries
 * of URLs, which can hold a signature.
 */
export function redact(text: string, { token }: HubSettings): string {
  if (token) text = text.replaceAll(token, "***");
  return text.replace(/\?[^\s)]*/g, "").replace(/[^\x20-\x7e]+/g, " ").slice(0, 300);
}

/**
 * Makes a `fetch` for one repository: it adds the token to requests to the Hub (and to no other
 * host), and retries after network errors, 5xx and 429.
 *
 * Its errors are one line that names the repository, the file and a remedy, never the token; their
 * `cause` is the status with which the Hub refused.
 *
 * An answer is read whole, up to 32 MB, so that a cut is a failure of the request; but the content that a range request
 * asks for is left to the caller to read.
 */
export function hubFetch(
  repo: Repo,
  settings: HubSettings,
  task: "download" | "publish" = "download",
  attempts = ATTEMPTS,
): typeof fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const headers = new Headers(init?.headers);
    if (settings.token && url.origin === new URL(settings.endpoint).origin) {
      headers.set("authorization", `Bearer ${settings.token}`);
    }
    const [, file = "the list of files"] = url.pathname.match(/\/resolve\/[^/]+\/(.+)/) ?? [];
    const what = task === "publish"
      ? `publish to ${repo.name}`
      : `download ${file} of ${repo.name}`;
    for (let failures = 1;; failures++) {
      const response = await request(url, { ...init, headers }, settings).catch((e: Error) => e);
      const answered = response instanceof Response;
      if (answered && response.status < 500 && response.status !== 429) {
        const page = response.headers.get("content-type")?.startsWith("text/html");
        if (response.ok && !page) return response;
        // Range not satisfiable: after an empty answer, the download starts again.
        if (response.status === 416) return new Response();
        const answer = await (response.ok ? response.body?.cancel() : response.json())
          ?.catch(() => null);
        const reason = response.ok
          ? "a web page came instead of an answer: is a login page or a proxy in between?"
          : refusal(response, answer?.error, repo, settings, task);
        throw new Error(`Cannot ${what}: ${reason}`, { cause: response.status });
      }
      if (response instanceof TooLong) {
        throw new Error(
          `Cannot ${what}: ${response.message}. Set HF_ENDPOINT to another mirror`,
        );
      }
      if (failures === attempts) {
        const reason = answered
          ? `the Hub answers ${response.status}`
          : redact((response.cause as Error | undefined)?.message ?? response.message, settings);
        const mirror = task === "publish"
          ? ""
          : ", set HF_ENDPOINT to a mirror, or HF_HUB_OFFLINE=1 to use what the cache holds";
        throw new Error(
          `Cannot ${what}: ${reason}, ${attempts} times. Try again later (what has arrived is` +
            ` kept)${mirror}`,
        );
      }
      await pause(failures, settings, answered ? response.headers.get("retry-after") : null);
    }
  };
}

/**
 * Makes one request. It fails when fewer than `timeout` bytes come in `timeout` milliseconds (1 kB/s);
 * an upload has no limit, as its progress cannot be seen.
 */
async function request(
  url: URL,
  init: RequestInit & { headers: Headers },
  { timeout }: HubSettings,
): Promise<Response> {
  const slow = new AbortController();
  let [bytes, total, timeouts] = [0, 0, 0];
  let isWhole = true;
  const watch = init.body ? undefined : setInterval(() => {
    const end = (message: string) => slow.abort(new Error(message));
    if (bytes < timeout) end(`fewer than ${timeout} bytes came in ${timeout / 1000} s`);
    else if (isWhole && ++timeouts === MAX_TIMEOUTS) {
      end(`the answer was not whole after ${MAX_TIMEOUTS * timeout / 1000} s`);
    }
    bytes = 0;
  }, timeout);
  const end = () => clearInterval(watch);
  const count = (chunk: Uint8Array) => {
    bytes += chunk.length;
    total += chunk.length;
    if (isWhole && total > MAX_BYTES) {
      throw new TooLong(`the answer has more than ${MAX_BYTES / 1e6} MB`);
    }
  };
  try {
    const response = await fetch(url, { ...init, signal: init.signal ?? slow.signal });
    isWhole = !response.ok || !init.headers.has("range");
    if (!response.body || isWhole) {
      const whole = response.body && await readWhole(response.body, slow.signal, count);
      end();
      return new Response(whole, response);
    }
    const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      start(controller) {
        // Once the first Response is garbage, its signal no longer ends the body (Deno 2.9).
        slow.signal.onabort = () => controller.error(slow.signal.reason);
      },
      transform(chunk, controller) {
        count(chunk);
        controller.enqueue(chunk);
      },
      flush: end,
      cancel: end,
    });
    return new Response(response.body.pipeThrough(counter), response);
  } catch (error) {
    end();
    throw error;
  }
}

/** Reads a body through one buffer: without it, Deno 2.9 allocates 64 KB for each 4 KB that arrive. */
async function readWhole(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal,
  count: (chunk: Uint8Array) => void,
): Promise<Blob> {
  const reader = body.getReader({ mode: "byob" });
  signal.onabort = () => reader.cancel(signal.reason).catch(() => {});
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let buffer = new Uint8Array(2 ** 16);
  try {
    while (true) {
      const { value, done } = await reader.read(buffer);
      signal.throwIfAborted();
      if (done || !value) return new Blob(chunks);
      count(value);
      chunks.push(value.slice());
      buffer = new Uint8Array(value.buffer);
    }
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    throw error;
  }
}

/** The Hub answers 401 also for a repository that does not exist, and names the cause in a header. */
function refusal(
  { status, headers }: Response,
  error: unknown,
  repo: Repo,
  settings: HubSettings,
  task: "download" | "publish",
): string {
  const page = `${settings.endpoint}/${repo.type === "dataset" ? "datasets/" : ""}${repo.name}`;
  const cause = headers.get("x-error-code") ?? (typeof error === "string" ? error : "");
  const answer = `the Hub answers ${status}${cause ? ` (${redact(cause, settings)})` : ""}`;
  if (task === "publish") {
    if (![401, 403, 404].includes(status)) return answer;
    return `${answer}. Set HF_TOKEN to a valid token with write permission for ${page}, from` +
      ` ${settings.endpoint}/settings/tokens`;
  }
  if (cause === "GatedRepo" || status === 403) {
    return `${answer}. Accept the terms at ${page} and set HF_TOKEN to a token of that account`;
  }
  if (cause === "RevisionNotFound") return `${answer}. Take a revision listed at ${page}/commits`;
  return `${answer}. Check the name at ${page}, or, if the repository is private, set HF_TOKEN to a` +
    " valid token that may read it";
}
