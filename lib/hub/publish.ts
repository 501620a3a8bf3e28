import { createRepo, uploadFiles } from "@huggingface/hub";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { checkOptions } from "../options.ts";
import { hubFetch, redact, REPO_NAME } from "./fetch.ts";
import { ADAPTER, MODEL } from "./model.ts";
import { HUB_OPTIONS, type HubOptions, hubSettings } from "./settings.ts";
import { filesIn, missing } from "./snapshot.ts";

/** What {@link publish} publishes, and where. */
export interface PublishOptions extends HubOptions {
  /** `organisation/name` or `user/name`; made if it does not exist. */
  repo: string;
  /** What saveModel or saveAdapter wrote. */
  folder: string;
  /** The text of the repository's README.md. */
  card: string;
  /** Makes a new repository private. @default {false: as its owner's settings say} */
  private?: boolean;
  /** First line of the commit message. @default {`Upload model` or `Upload adapter`} */
  commitMessage?: string;
}

const OPTIONS: Record<keyof PublishOptions, true> = {
  repo: true,
  folder: true,
  card: true,
  private: true,
  commitMessage: true,
  ...HUB_OPTIONS,
};

/**
 * Publishes a model or an adapter on the Hugging Face Hub, in one commit.
 *
 * Only the model's own files are uploaded, whatever else the folder holds; what arrived before a
 * failure is not sent again.
 *
 * @param options What to publish, and where.
 * @returns The commit's address.
 * @throws {TypeError} When the name is malformed, or there is no token.
 * @throws {Error} When the folder holds no whole model, or the Hub refuses it.
 *
 * @example
 * ```ts ignore
 * import { publish } from "lightweight-finetuning/hub";
 * const card = "---\nlibrary_name: peft\n---\n\n# News\n\nSorts news items into four classes.\n";
 * await publish({ repo: "me/news-lora", folder: "runs/sample/lora/adapter", card });
 * ```
 */
export async function publish(options: PublishOptions): Promise<string> {
  checkOptions("publish", options, OPTIONS);
  const { repo: name, folder, card } = options;
  if (!REPO_NAME.test(name) || !name.includes("/")) {
    throw new TypeError(
      "Cannot publish as 'repo' must be organisation/name or user/name: current value is" +
        ` ${JSON.stringify(name)}`,
    );
  }
  const settings = hubSettings(options);
  const token = settings.token ?? "";
  if (!token.startsWith("hf_")) {
    throw new TypeError(
      `Cannot publish to ${name} as 'HF_TOKEN' must be a token with write permission, hf_…: current` +
        ` value is ${token ? "another (not shown)" : "none"}. Make one at` +
        ` ${settings.endpoint}/settings/tokens`,
    );
  }
  if (settings.offline) {
    throw new Error(`Cannot publish to ${name} as HF_HUB_OFFLINE is set. Unset it`);
  }
  const present = await filesIn(folder);
  const files = [MODEL, ADAPTER].find(({ required }) => missing(present, required).length === 0);
  if (!files) {
    throw new Error(
      `Cannot publish ${folder} as it must hold ${Object.keys(MODEL.required).join(", ")}, or` +
        ` ${Object.keys(ADAPTER.required).join(", ")}: it holds` +
        ` ${present.slice(0, 10).join(", ") || "nothing"}. Write a model with saveModel(model,` +
        " folder, tokenizer), an adapter with saveAdapter",
    );
  }
  const repo = { type: "model" as const, name };
  const hub = {
    repo,
    hubUrl: settings.endpoint,
    fetch: hubFetch(repo, settings, "publish"),
    accessToken: token,
  };
  const visibility = options.private && { visibility: "private" as const };
  try {
    await createRepo({ ...hub, ...visibility }).catch((error) => {
      // It exists, or the token may write to some repositories only: the commit will show.
      if (error.cause !== 409 && error.cause !== 403) throw error;
    });
    const committed = await uploadFiles({
      ...hub,
      files: [
        ...present.filter((path) => files.wanted.test(path)).map((path) => ({
          path,
          content: pathToFileURL(join(folder, path)),
        })),
        { path: "README.md", content: new Blob([card]) },
      ],
      commitTitle: options.commitMessage ?? `Upload ${files === MODEL ? "model" : "adapter"}`,
      useXet: false, // git's large-file protocol, which mirrors know too
    });
    const url: unknown = committed?.commit?.url;
    if (typeof url !== "string") throw new TypeError("the commit has no address");
    return url;
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    if (code || message.startsWith("Cannot publish")) throw error;
    // `@huggingface/hub` (2.17) takes any answer for what it should be.
    throw new Error(
      `Cannot publish to ${name}: what ${settings.endpoint} answers is not what a Hub does. Check` +
        " HF_ENDPOINT, or try again later (what has arrived is kept)",
      { cause: redact(message, settings) },
    );
  }
}
