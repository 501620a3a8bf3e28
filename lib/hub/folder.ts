import { REPO_NAME } from "./fetch.ts";
import { HUB_OPTIONS, type HubOptions } from "./settings.ts";
import { downloadSnapshot, type FileSet } from "./snapshot.ts";

/** Which revision of a repository to load, and how to reach the Hub; a folder needs neither. */
export interface RepositoryOptions extends HubOptions {
  /** A commit, tag or branch. @default {"main"} */
  revision?: string;
}

/** The names of {@link RepositoryOptions}. */
export const REPOSITORY_OPTIONS: Record<keyof RepositoryOptions, true> = {
  revision: true,
  ...HUB_OPTIONS,
};

/**
 * Finds the files of a model or an adapter: in a folder of that name or, where there is none, in the repository of that
 * name on the Hub, as `from_pretrained` of Transformers does.
 *
 * @param files What to download of a repository.
 * @returns The folder that holds them.
 * @throws {TypeError} When there is no such folder, and no repository can have such a name.
 * @throws {RangeError} When a revision is given for a folder.
 * @throws {Error} What {@link downloadSnapshot} throws.
 */
export async function findFolder(
  folderOrName: string,
  files: FileSet,
  { revision, ...options }: RepositoryOptions = {},
): Promise<string> {
  const isFolder = await Deno.stat(folderOrName).then((info) => info.isDirectory, () => false);
  if (isFolder && revision === undefined) return folderOrName;
  if (isFolder) {
    throw new RangeError(
      `Cannot load ${folderOrName} as 'revision' must be left out for a folder: current value is ` +
        `${revision}. Rename the folder if the repository of that name is meant`,
    );
  }
  if (!REPO_NAME.test(folderOrName)) {
    throw new TypeError(
      "Cannot load a model or an adapter as its source must be a folder or organisation/name on the " +
        `Hub: current value is '${folderOrName}', and there is no such folder`,
    );
  }
  return await downloadSnapshot({ type: "model", name: folderOrName, revision, ...files }, options);
}
