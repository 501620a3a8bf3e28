import type { HubSettings } from "./settings.ts";

/** A model's or a data set's repository. */
export interface Repo {
  type: "model" | "dataset";
  /** `organisation/name`. */
  name: string;
}

/** How often a request, or a file whose connection was cut, is tried. */
export const ATTEMPTS = 5;

/** Waits before repetition `failures` (from 1), or as long as the server asks, five minutes at most. */
export function pause(failures: number, settings: HubSettings, retryAfter?: string | null) {
  const asked = Number(retryAfter) * 1000 || Date.parse(retryAfter ?? "") - Date.now() || 0;
  const wait = Math.max(settings.retryDelay * 2 ** (failures - 1), Math.min(asked, 300_000));
  return new Promise((resolve) => setTimeout(resolve, wait));
}

/**
 * A `fetch` for one repository: adds the token to requests to the Hub (and to no other host), and
 * repeats what failed by the network, a 5xx or a 429.
 *
 * Rejects with one line that names the repository, the file and a remedy, never the token.
 */
export function hubFetch(repo: Repo, settings: HubSettings): typeof fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const headers = new Headers(init?.headers);
    if (settings.token && url.origin === new URL(settings.endpoint).origin) {
      headers.set("authorization", `Bearer ${settings.token}`);
    }
    const [, file = "the list of files"] = url.pathname.match(/\/resolve\/[^/]+\/(.+)/) ?? [];
    const failure = (reason: string) =>
      new Error(`Cannot download ${file} of ${repo.name}: ${reason}`);
    for (let failures = 1;; failures++) {
      const response = await fetch(url, { ...init, headers }).catch((error: Error) => error);
      const answered = response instanceof Response;
      if (answered && response.ok) return response;
      if (answered) await response.body?.cancel();
      if (answered && response.status < 500 && response.status !== 429) {
        throw failure(refusal(response, repo, settings));
      }
      if (failures === ATTEMPTS) {
        // The query of a redirect can hold a signature.
        const reason = answered
          ? `the Hub answers ${response.status}`
          : response.message.replace(/\?[^\s)]*/g, "");
        throw failure(
          `${reason}, ${ATTEMPTS} times; try again later (what has arrived is kept), or set` +
            " HF_ENDPOINT to a mirror",
        );
      }
      await pause(failures, settings, answered ? response.headers.get("retry-after") : null);
    }
  };
}

/** The Hub answers 401 also for a repository that does not exist, and names the cause in a header. */
function refusal(response: Response, repo: Repo, settings: HubSettings): string {
  const page = `${settings.endpoint}/${repo.type === "dataset" ? "datasets/" : ""}${repo.name}`;
  const cause = response.headers.get("x-error-code");
  const answer = `the Hub answers ${response.status}${cause ? ` (${cause})` : ""}; `;
  if (cause === "GatedRepo" || response.status === 403) {
    return answer + `accept the terms at ${page} and set HF_TOKEN to a token of that account`;
  }
  if (cause === "RevisionNotFound") return answer + `take a revision listed at ${page}/commits`;
  return answer + `check the name at ${page}, or, if the repository is private, set HF_TOKEN to a` +
    " valid token that may read it";
}
