import { readFileSync } from "node:fs";
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

/**
 * How to reach the Hugging Face Hub. The defaults are those of Python's huggingface_hub, but that an environment variable
 * that is empty counts as unset.
 */
export interface HubOptions {
  /**
   * Access token. @default {none if `HF_HUB_DISABLE_IMPLICIT_TOKEN`, else `HF_TOKEN`, else `HUGGING_FACE_HUB_TOKEN`, else
   * the text of `HF_TOKEN_PATH`, else of `$HF_HOME/token`}
   */
  token?: string;
  /** Address of the Hub or a mirror. @default {`HF_ENDPOINT`, else `https://huggingface.co`} */
  endpoint?: string;
  /** Folder of the cache. @default {`HF_HUB_CACHE`, else `$HF_HOME/hub`, else `~/.cache/huggingface/hub`} */
  cacheFolder?: string;
  /** Use only what the cache holds. @default {whether `HF_HUB_OFFLINE`, else `TRANSFORMERS_OFFLINE`, is 1, yes, on or true} */
  offline?: boolean;
  /** Milliseconds before a failed request is first repeated; doubled each time. @default {1000} */
  retryDelay?: number;
  /**
   * Milliseconds in which as many bytes must arrive (1 kB/s), or the connection counts as cut.
   * @default {`HF_HUB_DOWNLOAD_TIMEOUT`, which is in seconds, else 10000}
   */
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

/** {@link HubOptions} with every default filled in. */
export type HubSettings = Required<Omit<HubOptions, "token">> & {
  /** Without one the Hub is asked anonymously. */
  token: string | undefined;
  /** Whether snapshots may hold links to blobs. @default {`HF_HUB_DISABLE_SYMLINKS` is not set} */
  symlinks: boolean;
};

type Environment = Record<string, string>;

/**
 * Fills in the defaults.
 *
 * @param env Environment variables. @default {those of this process}
 * @throws {TypeError} When the token cannot be sent in a header, the endpoint is not a URL, or a variable has a value, or
 * asks for something, that is not supported.
 * @throws {RangeError} When the timeout is no number of milliseconds that a timer can have.
 * @throws {Error} When the token's file cannot be read.
 */
export function hubSettings(
  options: HubOptions = {},
  env: Environment = Deno.env.toObject(),
): HubSettings {
  const cache = env.XDG_CACHE_HOME || join(expandUser("HOME", "~", env), ".cache");
  const home = expand("HF_HOME", env.HF_HOME || join(cache, "huggingface"), env);
  const hubCache = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(home, "hub");
  const endpoint = options.endpoint ?? (env.HF_ENDPOINT || "https://huggingface.co");
  if (isTrue(env.HUGGINGFACE_CO_STAGING) && options.endpoint === undefined) {
    throw new TypeError(
      "Cannot reach the Hub as 'HUGGINGFACE_CO_STAGING' must be unset: current value is" +
        ` ${env.HUGGINGFACE_CO_STAGING}. Set HF_ENDPOINT to the staging Hub instead`,
    );
  }
  if (!/^https?:\/\/[^@\s]+$/.test(endpoint) || !URL.canParse(endpoint)) {
    throw new TypeError(
      "Cannot reach the Hub as 'HF_ENDPOINT' must be a URL of http(s) without user name or password:" +
        ` current value is ${endpoint.replace(/\/\/.*@/, "//***@")}`,
    );
  }
  const token = options.token?.trim() ?? implicitToken(home, env);
  // The error of `Headers` would quote a malformed token.
  if (token && !/^[\x21-\x7e]+$/.test(token)) {
    throw new TypeError(
      "Cannot reach the Hub as 'HF_TOKEN' must be one word of ASCII: current value (not shown) is" +
        " not. Copy it again from https://huggingface.co/settings/tokens",
    );
  }
  const timeout = options.timeout ?? downloadTimeout(env);
  if (!(timeout > 0 && timeout < 2 ** 31)) {
    throw new RangeError(
      "Cannot reach the Hub as 'timeout' must be above 0 and below 2147483648 milliseconds: current" +
        ` value is ${timeout}. Leave it, and HF_HUB_DOWNLOAD_TIMEOUT, out for 10 s`,
    );
  }
  return {
    token: token || undefined,
    endpoint: endpoint.replace(/\/+$/, ""),
    cacheFolder: expandUser(
      "cacheFolder",
      options.cacheFolder ?? expand("HF_HUB_CACHE", hubCache, env),
      env,
    ),
    offline: options.offline ?? isTrue(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE),
    retryDelay: options.retryDelay ?? 1000,
    timeout,
    onProgress: options.onProgress ?? (() => {}),
    symlinks: !isTrue(env.HF_HUB_DISABLE_SYMLINKS),
  };
}

const isTrue = (value = "") => /^(1|on|yes|true)$/i.test(value);

/** The token that Python's `get_token` would send. */
function implicitToken(home: string, env: Environment): string {
  if (isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return "";
  if (env.HF_OIDC_RESOURCE) {
    throw new TypeError(
      "Cannot reach the Hub as 'HF_OIDC_RESOURCE' must be unset: current value is" +
        ` ${env.HF_OIDC_RESOURCE}, and tokens of CI providers are not exchanged here. Unset it and set` +
        " HF_TOKEN",
    );
  }
  const clean = (token: string) => token.replace(/[\r\n]/g, "").trim();
  const given = clean(env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN || "");
  if (given) return given;
  const file = expand("HF_TOKEN_PATH", env.HF_TOKEN_PATH || join(home, "token"), env);
  try {
    return clean(readFileSync(file, "utf8"));
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (code === "ENOENT") return "";
    throw new Error(
      `Cannot read the Hub's token from ${file}: ${message}. Fix that, or set HF_TOKEN or HF_TOKEN_PATH`,
      { cause: error },
    );
  }
}

/** Milliseconds; the variable holds what Python's `int` reads. */
function downloadTimeout({ HF_HUB_DOWNLOAD_TIMEOUT: seconds = "" }: Environment): number {
  if (!/^\s*([+-]?\d+(_\d+)*)?\s*$/.test(seconds)) {
    throw new TypeError(
      "Cannot reach the Hub as 'HF_HUB_DOWNLOAD_TIMEOUT' must be a whole number of seconds: current" +
        ` value is ${seconds}. Leave it out for 10 s`,
    );
  }
  return (Number(seconds.replaceAll("_", "")) || 10) * 1000;
}

/** As Python's `os.path.expandvars(os.path.expanduser(path))` on Linux and macOS. */
function expand(name: string, path: string, env: Environment): string {
  return expandUser(name, path, env).replace(
    /\$(?:(\w+)|\{([^}]*)\})/g,
    (whole, bare, braced) => Object.hasOwn(env, bare ?? braced) ? env[bare ?? braced]! : whole,
  );
}

function expandUser(name: string, path: string, env: Environment): string {
  if (/^~[^/]/.test(path)) {
    throw new TypeError(
      `Cannot reach the Hub as '${name}' must not be in another user's home: current value is ${path}.` +
        " Write the folder's whole path",
    );
  }
  if (!path.startsWith("~")) return path;
  return (env.HOME ?? homedir()).replace(/\/+$/, "") + path.slice(1) || "/";
}
