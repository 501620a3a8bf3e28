import assert from "node:assert/strict";
import { dirname, resolve } from "node:path";
import { hubSettings } from "../../lib/hub/settings.ts";
import environment from "../fixtures/hub_environment.json" with { type: "json" };
import { temporaryFolder } from "../helpers/altered.ts";

/** What becomes of each variable that huggingface_hub's settings and Transformers' hub.py read. */
const VARIABLES: Record<"honoured" | "refused" | "irrelevant", Record<string, string>> = {
  honoured: {
    HF_ENDPOINT: "endpoint",
    HF_HOME: "cacheFolder, token",
    HF_HUB_CACHE: "cacheFolder",
    HF_HUB_DISABLE_IMPLICIT_TOKEN: "token",
    HF_HUB_DISABLE_SYMLINKS: "symlinks",
    HF_HUB_DOWNLOAD_TIMEOUT: "timeout",
    HF_HUB_OFFLINE: "offline",
    HF_TOKEN: "token",
    HF_TOKEN_PATH: "token",
    HUGGINGFACE_HUB_CACHE: "cacheFolder",
    HUGGING_FACE_HUB_TOKEN: "token",
    TRANSFORMERS_OFFLINE: "offline",
    XDG_CACHE_HOME: "cacheFolder",
  },
  refused: {
    HF_OIDC_RESOURCE: "tokens of CI providers are not exchanged",
    HUGGINGFACE_CO_STAGING: "moves the endpoint and only part of the cache",
  },
  irrelevant: {
    AWS_REGION: "no user agent with statistics is sent",
    CLAUDE_CONFIG_DIR: "skills of the command line",
    DISABLE_TELEMETRY: "no telemetry is sent",
    DO_NOT_TRACK: "no telemetry is sent",
    ECS_CONTAINER_METADATA_URI: "no user agent with statistics is sent",
    HF_ASSETS_CACHE: "nothing is kept there",
    HF_DEBUG: "requests are not logged",
    HF_DEVICE_CODE_OAUTH_CLIENT_ID: "no interactive login",
    HF_HUB_DISABLE_EXPERIMENTAL_WARNING: "no such warning",
    HF_HUB_DISABLE_PROGRESS_BARS: "no bar is shown unless the caller shows one",
    HF_HUB_DISABLE_SHARED_BLOBS: "nothing is put into the shared store; links to it are followed",
    HF_HUB_DISABLE_SYMLINKS_WARNING: "no such warning",
    HF_HUB_DISABLE_TELEMETRY: "no telemetry is sent",
    HF_HUB_DISABLE_UPDATE_CHECK: "no updates are looked for",
    HF_HUB_DISABLE_XET: "Xet is not spoken",
    HF_HUB_ENABLE_HF_TRANSFER: "deprecated there too",
    HF_HUB_ETAG_TIMEOUT: "no HEAD requests are made: the list of files has hashes",
    HF_HUB_USER_AGENT_ORIGIN: "no user agent with statistics is sent",
    HF_INFERENCE_ENDPOINT: "no inference over the network",
    HF_MODULES_CACHE: "no code is downloaded",
    HF_OIDC_ID_TOKEN: "read beside HF_OIDC_RESOURCE only",
    HF_XET_CACHE: "Xet is not spoken",
    HF_XET_HIGH_PERFORMANCE: "Xet is not spoken",
    HUGGINGFACE_ASSETS_CACHE: "nothing is kept there",
    OAUTH_CLIENT_ID: "no Space with a login",
    OAUTH_CLIENT_SECRET: "no Space with a login",
    OAUTH_SCOPES: "no Space with a login",
    OPENID_PROVIDER_URL: "no Space with a login",
    SM_FRAMEWORK_MODULE: "no user agent with statistics is sent",
    SM_FRAMEWORK_PARAMS: "no user agent with statistics is sent",
    SM_NUM_CPUS: "no user agent with statistics is sent",
    SM_NUM_GPUS: "no user agent with statistics is sent",
    TRAINING_JOB_ARN: "no user agent with statistics is sent",
    TRANSFORMERS_IS_CI: "no user agent with statistics is sent",
  },
};

/** The settings in an environment, with the functions left out; {home} stands for a folder with the fixture's files. */
async function withHome(
  test: (settings: (env: Record<string, string | undefined>) => object) => void,
) {
  await using home = await temporaryFolder();
  for (const [path, text] of Object.entries(environment.files)) {
    await Deno.mkdir(dirname(`${home.path}/${path}`), { recursive: true });
    await Deno.writeTextFile(`${home.path}/${path}`, text);
  }
  test((given) => {
    const env: Record<string, string> = {};
    for (const [name, value] of Object.entries(given)) {
      if (value !== undefined) env[name] = value.replaceAll("{home}", home.path);
    }
    const { onProgress: _, retryDelay: __, cacheFolder, token, ...others } = hubSettings({}, env);
    const folder = resolve("/", cacheFolder).replace(home.path, "{home}");
    return { cacheFolder: folder, token: token ?? null, ...others };
  });
}

Deno.test("hubSettings() are huggingface_hub's own in a table of environments", () =>
  withHome((settings) => {
    for (const { env, settings: theirs } of environment.cases) {
      const expected = { ...environment.settings, ...theirs };
      assert.deepEqual(settings({ ...environment.env, ...env }), expected, JSON.stringify(env));
    }
  }));

Deno.test("hubSettings() honour, refuse or pass over each variable that Python's libraries read", () => {
  const { honoured, refused, irrelevant } = VARIABLES;
  const known = [honoured, refused, irrelevant].flatMap((table) => Object.keys(table)).sort();
  assert.deepEqual(known, environment.variables);
  return withHome((settings) => {
    const HOME = "{home}";
    const base = settings({ HOME });
    const some = (name: string) =>
      environment.cases.filter(({ env }) => name in env)
        .map(({ env }) => settings({ HOME, ...env }));
    for (const [name, fields] of Object.entries(honoured)) {
      for (const field of fields.split(", ")) {
        const values = some(name).map((given) => given[field as keyof typeof given]);
        assert.ok(values.some((value) => value !== base[field as keyof typeof base]), name);
      }
    }
    for (const name of Object.keys(refused)) {
      const pattern = new RegExp(
        `^Cannot reach the Hub as '${name}' must be unset: .* 1[,.] .*et HF_`,
      );
      assert.throws(() => settings({ HOME, [name]: "1" }), { name: "TypeError", message: pattern });
    }
    for (const name of Object.keys(irrelevant)) {
      assert.deepEqual(settings({ HOME, [name]: "1" }), base, name);
    }
  });
});

Deno.test("hubSettings() take an empty variable for unset", () =>
  withHome((settings) => {
    const HOME = "{home}";
    for (const name of environment.variables) {
      assert.deepEqual(settings({ HOME, [name]: "" }), settings({ HOME }), name);
    }
  }));

Deno.test("hubSettings() refuse what cannot be meant as in Python, with variable, value and remedy", () =>
  withHome((settings) => {
    const HOME = "{home}";
    const cases: [Record<string, string>, RegExp][] = [
      [{ HF_HOME: "~root/x" }, /'HF_HOME' must not be in another user's home: .* ~root\/x\. Write/],
      [{ HF_HUB_CACHE: "~root" }, /'HF_HUB_CACHE' must not be in another user's home: .* ~root\. /],
      [
        { HF_TOKEN_PATH: "~root" },
        /'HF_TOKEN_PATH' must not be in another user's home: .* ~root\./,
      ],
      [{ HF_HUB_DOWNLOAD_TIMEOUT: "1.5" }, /'HF_HUB_DOWNLOAD_TIMEOUT' must be a whole .* 1\.5\. /],
      [{ HF_HUB_DOWNLOAD_TIMEOUT: "10s" }, /'HF_HUB_DOWNLOAD_TIMEOUT' must be a whole .* 10s\. /],
      [{ HF_HUB_DOWNLOAD_TIMEOUT: "-5" }, /'timeout' must be above 0 .* -5000\. Leave it, and HF_/],
      [{ HF_HUB_DOWNLOAD_TIMEOUT: "9999999" }, /'timeout' must be .* below 2147483648 mill/],
      [{ HF_TOKEN_PATH: "{home}" }, /^Cannot read the Hub's token from .*EISDIR.*\. Fix that, or/],
    ];
    for (const [env, message] of cases) {
      assert.throws(() => settings({ HOME, ...env }), { message });
    }
  }));

Deno.test("hubSettings() prefer a token that is given to a refused or forbidden one", () => {
  const env = { HF_HUB_DISABLE_IMPLICIT_TOKEN: "1", HF_OIDC_RESOURCE: "x", HF_TOKEN: "hf_env" };
  assert.equal(hubSettings({ token: "hf_given" }, env).token, "hf_given");
});

Deno.test("hubSettings() expand a home folder in 'cacheFolder'", () => {
  assert.equal(hubSettings({ cacheFolder: "~/x" }, { HOME: "/me" }).cacheFolder, "/me/x");
});
