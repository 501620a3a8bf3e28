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
function redact(text: string, { token }: HubSettings): string {
  if (token) text = text.replaceAll(token, "***");
  return text.replace(/\?[^\s)]*/g, "").replace(/[^\x20-\x7e]+/g, " ").slice(0, 300);
}

/**
 * Makes a `fetch` for one repository: it adds the token to requests to the Hub (and to no other
 * host), and retries after network errors, 5xx and 429.
 *
 * Its errors are one line that names the repository, the file and a remedy, never the token; their
 * `cause` is the status with which the Hub refused.
 */
export function hubFetch(
  repo: Repo,
  settings: HubSettings,
  task: "download" | "publish" = "download",
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
        const error = (await response.json().catch(() => null))?.error;
        // Range not satisfiable: after an empty answer, the download starts again.
        if (response.status === 416) return new Response();
        const reason = response.ok
          ? "a web page came instead of an answer: is a login page or a proxy in between?"
          : refusal(response, error, repo, settings, task);
        throw new Error(`Cannot ${what}: ${reason}`, { cause: response.status });
      }
      if (answered) await response.body?.cancel();
      if (failures === ATTEMPTS) {
        const reason = answered
          ? `the Hub answers ${response.status}`
          : redact((response.cause as Error | undefined)?.message ?? response.message, settings);
        const mirror = task === "publish"
          ? ""
          : ", set HF_ENDPOINT to a mirror, or HF_HUB_OFFLINE=1 to use what the cache holds";
        throw new Error(
          `Cannot ${what}: ${reason}, ${ATTEMPTS} times. Try again later (what has arrived is` +
            ` kept)${mirror}`,
        );
      }
      await pause(failures, settings, answered ? response.headers.get("retry-after") : null);
    }
  };
}

/**
 * Makes one request. It fails when fewer than `timeout` bytes come in `timeout` milliseconds (1 kB/s);
 * an upload has no limit, as its progress cannot be seen. Only the body of a range request is left to
 * the caller to read, so that a cut anywhere else is a failure of the request.
 */
async function request(
  url: URL,
  init: RequestInit & { headers: Headers },
  { timeout }: HubSettings,
): Promise<Response> {
  const slow = new AbortController();
  let bytes = 0;
  const watch = init.body ? undefined : setInterval(() => {
    if (bytes < timeout) {
      slow.abort(new Error(`fewer than ${timeout} bytes came in ${timeout / 1000} s`));
    }
    bytes = 0;
  }, timeout);
  const end = () => clearInterval(watch);
  const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    start(controller) {
      // Once the first Response is garbage, its signal no longer ends the body (Deno 2.9).
      slow.signal.onabort = () => controller.error(slow.signal.reason);
    },
    transform(chunk, controller) {
      bytes += chunk.length;
      controller.enqueue(chunk);
    },
    flush: end,
    cancel: end,
  });
  try {
    const response = await fetch(url, { ...init, signal: init.signal ?? slow.signal });
    if (!response.body) end();
    const counted = new Response(response.body?.pipeThrough(counter) ?? null, response);
    if (!response.body || init.headers.has("range")) return counted;
    return new Response(await counted.arrayBuffer(), response);
  } catch (error) {
    end();
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
  const cause = headers.get("x-error-code") ?? error;
  const answer = `the Hub answers ${status}${cause ? ` (${redact(String(cause), settings)})` : ""}`;
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
