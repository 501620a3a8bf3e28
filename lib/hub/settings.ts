import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** What `onProgress` receives, at most ten times a second and whenever a file is complete. */
export interface DownloadProgress {
  /** The file that is being downloaded, by its path in the repository. */
  file: string;
  /** Files complete. */
  files: number;
  /** Files to download. */
  totalFiles: number;
  /** Bytes in the cache, those of an earlier, interrupted download included. */
  bytes: number;
  /** Bytes of all files. */
  totalBytes: number;
  /** Mean rate since this call began; bytes the cache already held do not count. */
  bytesPerSecond: number;
}

/** How to reach the Hugging Face Hub. The defaults are those of Python's huggingface_hub. */
export interface HubOptions {
  /** Access token. @default {`HF_TOKEN`, else the text of `HF_TOKEN_PATH`, else of `$HF_HOME/token`} */
  token?: string;
  /** Address of the Hub or a mirror. @default {`HF_ENDPOINT`, else `https://huggingface.co`} */
  endpoint?: string;
  /** Folder of the cache. @default {`HF_HUB_CACHE`, else `$HF_HOME/hub`, else `~/.cache/huggingface/hub`} */
  cacheFolder?: string;
  /** Use only what the cache holds. @default {whether `HF_HUB_OFFLINE` is 1, yes, on or true} */
  offline?: boolean;
  /** Milliseconds before a failed request is first repeated; doubled each time. @default {1000} */
  retryDelay?: number;
  /** Milliseconds in which as many bytes must arrive (1 kB/s), or the connection counts as cut. @default {30000} */
  timeout?: number;
  /** Called with the progress of a download. @default {no report} */
  onProgress?: (progress: DownloadProgress) => void;
}

/** The names of {@link HubOptions}. */
export const HUB_OPTIONS: Record<keyof HubOptions, true> = {
  token: true,
  endpoint: true,
  cacheFolder: true,
  offline: true,
  retryDelay: true,
  timeout: true,
  onProgress: true,
};

/** {@link HubOptions} with every default filled in; without a token the Hub is asked anonymously. */
export type HubSettings = Required<Omit<HubOptions, "token">> & { token: string | undefined };

/**
 * Fills in the defaults.
 *
 * @param env Environment variables. @default {those of this process}
 * @throws {TypeError} When the token cannot be sent in a header, or the endpoint is not a URL.
 */
export function hubSettings(
  options: HubOptions = {},
  env: Record<string, string> = Deno.env.toObject(),
): HubSettings {
  const cache = env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const home = env.HF_HOME || join(cache, "huggingface");
  const endpoint = options.endpoint ?? (env.HF_ENDPOINT || "https://huggingface.co");
  if (!/^https?:\/\/[^@\s]+$/.test(endpoint) || !URL.canParse(endpoint)) {
    throw new TypeError(
      "Cannot reach the Hub as 'HF_ENDPOINT' must be a URL of http(s) without user name or password:" +
        ` current value is ${endpoint.replace(/\/\/.*@/, "//***@")}`,
    );
  }
  const file = env.HF_TOKEN_PATH || join(home, "token");
  const saved = () => existsSync(file) ? readFileSync(file, "utf8") : "";
  const token = (options.token ?? (env.HF_TOKEN || saved())).trim();
  // The error of `Headers` would quote a malformed token.
  if (token && !/^[\x21-\x7e]+$/.test(token)) {
    throw new TypeError(
      "Cannot reach the Hub as 'HF_TOKEN' must be one word of ASCII: current value (not shown) is" +
        " not. Copy it again from https://huggingface.co/settings/tokens",
    );
  }
  return {
    token: token || undefined,
    endpoint: endpoint.replace(/\/+$/, ""),
    cacheFolder: options.cacheFolder ??
      (env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home, "hub")),
    offline: options.offline ?? /^(1|on|yes|true)$/i.test(env.HF_HUB_OFFLINE ?? ""),
    retryDelay: options.retryDelay ?? 1000,
    timeout: options.timeout ?? 30_000,
    onProgress: options.onProgress ?? (() => {}),
  };
}
