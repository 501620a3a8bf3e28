/**
 * Writes files and folders that are whole or absent, whenever the process or the machine stops: each is written under
 * another name, flushed to the disk, and only then renamed.
 */

import { dirname, resolve } from "node:path";

const OPENS_FOLDERS = Deno.build.os !== "windows";

/** Appends bytes to a file that is being written. */
export type WriteBytes = (bytes: ArrayBufferView) => Promise<void>;

/**
 * Writes a file that is whole or absent; its folder is created if needed. Until then `<path>.partial` holds what
 * has been written; a second writer waits for the first.
 *
 * @param path Where the file is to be; a file or link of that name is replaced.
 * @param content The whole text or all bytes, or a function that writes the bytes piece by piece.
 * @throws The system's own error when the file cannot be written, or what `content` throws; an earlier file is then
 * unchanged.
 *
 * @example
 * ```ts ignore
 * import { writeFile } from "./files.ts";
 * await writeFile("runs/sample/metrics.json", JSON.stringify({ accuracy: 0.9155 }));
 * ```
 */
export async function writeFile(
  path: string,
  content: string | Uint8Array | ((write: WriteBytes) => Promise<void>),
): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const partial = `${path}.partial`;
  using file = await openLocked(partial, () => Deno.open(partial, { create: true, write: true }));
  const write = async ({ buffer, byteOffset, byteLength }: ArrayBufferView) => {
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    for (let written = 0; written < bytes.length;) {
      written += await file.write(bytes.subarray(written));
    }
  };
  try {
    if ((await file.stat()).size > 0) await file.truncate(); // left by a killed process
    if (typeof content === "function") await content(write);
    else await write(typeof content === "string" ? new TextEncoder().encode(content) : content);
    await file.sync();
    await rename(partial, path);
  } catch (error) {
    await Deno.remove(partial).catch(() => {});
    throw error;
  }
  await flushNames(path);
}

/**
 * Writes a folder that is whole or absent, and whose older version, if there is one, is replaced in a single step: at any
 * moment the path names all of the old folder or all of the new one. A link to a folder is followed. A second writer
 * waits for the first, in this process or another.
 *
 * `<path>.partial` holds the new folder until it is complete, then the old one until it is removed; what a killed process
 * leaves there is removed by the next write. Files in the old folder that are not the writer's stay, as the same files
 * (hard links) or, where the file system has no links, as copies.
 *
 * Linux and macOS exchange two folders in one step. Where the system or the file system cannot, the old folder is renamed
 * to `<path>.replaced` before the new one gets its name: a process killed between the two leaves no folder at the path;
 * the old one is whole under that name, and the next write puts it back first.
 *
 * @param path Where the folder is to be; its parent is created if needed. It may not be a mount point.
 * @param write Fills the empty folder that it is given.
 * @param owned Matches the names of all files that the writer may ever have written, so that those it no longer writes are
 * not kept.
 * @throws {Error} When the system cannot write it (the `cause` is the system's error), or what `write` throws; an older
 * folder is then unchanged.
 *
 * @example
 * ```ts ignore
 * import { writeFolder } from "./files.ts";
 * const words = ["a", "word"];
 * await writeFolder("runs/sample/words", async (folder) => {
 *   await Deno.writeTextFile(`${folder}/vocab.txt`, words.join("\n"));
 * }, /^vocab\.txt$/);
 * ```
 */
export async function writeFolder(
  path: string,
  write: (folder: string) => Promise<void>,
  owned: RegExp,
): Promise<void> {
  try {
    await replaceFolder(path, write, owned);
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    if (!code) throw error; // only the system's errors have one
    throw new Error(`Cannot write ${path}: ${message}. What was there is unchanged`, {
      cause: error,
    });
  }
}

async function replaceFolder(
  path: string,
  write: (folder: string) => Promise<void>,
  owned: RegExp,
) {
  await Deno.mkdir(dirname(path), { recursive: true });
  path = await Deno.realPath(path).catch(() => resolve(path));
  const [partial, replaced] = [`${path}.partial`, `${path}.replaced`];
  using locks = new DisposableStack();
  locks.use(await openLocked(partial, () => openFolder(partial)));
  let isNew: boolean;
  let old = "";
  try {
    isNew = !await exists(path);
    if (isNew && await exists(replaced)) { // a process was killed between two renames
      await rename(replaced, path);
      isNew = false;
    }
    // Once they are exchanged, the old folder is the next writer's `partial`.
    if (!isNew) locks.use(await openLocked(path, () => openFolder(path)));
    if (await exists(replaced)) await discard(replaced, path, owned);
    await empty(partial);
    await write(partial);
    await flushAll(partial);
    if (!isNew) await keep(path, partial, owned, linkOrCopy);
    await flush(partial);
    if (isNew) await rename(partial, path);
    else old = await exchange(partial, path, replaced);
  } catch (error) {
    await removeAll(partial).catch(() => {});
    throw error;
  }
  await flushNames(path);
  if (isNew) return;
  const cwd = await Deno.realPath(".").catch(() => "");
  if (`${cwd}/`.startsWith(`${old}/`)) Deno.chdir(path + cwd.slice(old.length));
  await discard(old, path, owned).catch(() => {}); // the next write tries again
}

/** Removes an old folder, once files added to it since {@link linkOrCopy} are in the new one. */
async function discard(old: string, path: string, owned: RegExp) {
  await keep(old, path, owned, moveNewer);
  await removeAll(old);
}

/** Removes a folder; one in it that may not be written to is no hindrance. */
async function removeAll(folder: string) {
  await empty(folder);
  await Deno.remove(folder);
}

async function empty(folder: string) {
  await Deno.chmod(folder, 0o700);
  for (const { name, isDirectory } of await entries(folder)) {
    if (isDirectory) await removeAll(`${folder}/${name}`);
    else await Deno.remove(`${folder}/${name}`);
  }
}

/**
 * Makes a symbolic link, replacing a file or link of that name in one step; its folder is created if needed.
 *
 * @param path Where the link is to be.
 * @param target What it points to, relative to its folder.
 * @throws The system's own error when it cannot be made.
 */
export async function writeLink(path: string, target: string): Promise<void> {
  await Deno.mkdir(dirname(path), { recursive: true });
  const partial = `${path}.${crypto.randomUUID()}`; // a link has no lock
  try {
    await Deno.symlink(target, partial);
    await rename(partial, path);
  } catch (error) {
    await Deno.remove(partial).catch(() => {});
    throw error;
  }
}

/**
 * Waits until a file's content, or the names in a folder, are on the disk.
 *
 * @param path The file or folder.
 * @throws The system's own error when it cannot be opened or flushed. A folder that the file system cannot flush is passed
 * over.
 */
export async function flush(path: string): Promise<void> {
  if (!OPENS_FOLDERS && !await isFile(path)) return;
  using file = await Deno.open(path);
  await file.sync().catch(async (error) => {
    const { isDirectory } = await file.stat();
    if (!isDirectory || !CANNOT_FLUSH.includes(error.code)) throw error;
  });
}

/** What some file systems answer to the flush of a folder, as they have none. */
const CANNOT_FLUSH = ["EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP"];

/** Flushes the folder of a file or folder that has just got its name. */
async function flushNames(path: string) {
  await flush(dirname(path)).catch((error) => {
    throw new Error(
      `Cannot flush ${
        dirname(path)
      }: ${error.message}. ${path} has been written, but may be lost ` +
        "if the machine stops now",
      { cause: error },
    );
  });
}

/** Renames. A system may report an error after it took effect, so that what is there decides. */
async function rename(from: string, to: string) {
  const { ino, dev } = await Deno.lstat(from);
  await Deno.rename(from, to).catch(async (error) => {
    const there = await Deno.lstat(to).catch(() => undefined);
    if (ino === null || there?.ino !== ino || there.dev !== dev) throw error;
  });
}

/**
 * Reads a JSON file that holds an object.
 *
 * @param path The file.
 * @throws {SyntaxError} When it is no JSON, or holds something else; the message names the file.
 * @throws The system's own error when it cannot be read.
 */
export async function readJson(path: string): Promise<Record<string, unknown>> {
  const text = await Deno.readTextFile(path);
  let value: unknown;
  let fault = "";
  try {
    const parsed = JSON.parse(text);
    JSON.stringify(parsed); // fails where it is nested too deep to be shown or saved
    value = parsed;
  } catch (error) {
    fault = ` (${clip((error as Error).message)})`;
  }
  if (typeof value === "object" && value && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new SyntaxError(
    `Cannot read ${path} as it must hold a JSON object: current value is ` +
      `${clip(text.trim()) || "empty"}${fault}. Download or save it again`,
  );
}

/** The beginning of a text: a file can hold a value of many megabytes, a message cannot. */
export const clip = (text: string): string => text.length > 200 ? `${text.slice(0, 200)}…` : text;

/**
 * The hash of a file's content.
 *
 * @param path The file.
 * @param algorithm As OpenSSL names it.
 * @param prefix Text to hash before the content, as git does. @default {""}
 * @returns The hash in hexadecimal.
 * @throws The system's own error when the file cannot be read.
 */
export async function fileDigest(
  path: string,
  algorithm: string,
  prefix = "",
): Promise<string> {
  const { createHash } = await import("node:crypto"); // megabytes that most callers do not need
  const hash = createHash(algorithm).update(prefix);
  for await (const chunk of (await Deno.open(path)).readable) hash.update(chunk);
  return hash.digest("hex");
}

/**
 * Whether a path names a file, or a link to one that exists.
 *
 * @param path The path.
 * @returns `false` also where it cannot be looked up.
 */
export function isFile(path: string): Promise<boolean> {
  return Deno.stat(path).then((info) => info.isFile, () => false);
}

/**
 * Opens and locks a file or folder, waiting for other writers; closing it releases the lock.
 *
 * @param path The file or folder.
 * @param open Opens it; called again when another writer has renamed it meanwhile.
 * @returns The file that the path names.
 * @throws What `open` throws.
 */
export async function openLocked<T extends Deno.FsFile | undefined>(
  path: string,
  open: () => Promise<T>,
): Promise<T> {
  while (true) {
    const file = await open();
    if (!file) return file;
    await file.lock(true).catch(() => {}); // not every file system has locks
    const named = await Deno.stat(path).catch(() => undefined);
    if (named?.ino === (await file.stat()).ino) return file;
    file.close(); // the previous writer has renamed it
  }
}

/**
 * Takes a folder for one writer, until the result is disposed of or the process ends, however it ends. The file `.lock` in
 * it says who has it. Where the file system has no locks, everyone gets it.
 *
 * @param folder The folder, which must be there.
 * @throws {Error} When another writer has it; the message says which.
 * @throws The system's own error when the file cannot be created.
 */
export async function lockFolder(folder: string): Promise<Disposable> {
  const path = `${folder}/.lock`;
  while (true) {
    await Deno.writeTextFile(path, "", { append: true });
    const file = await Deno.open(path); // one open for writing would keep a disk from becoming read-only
    if (!await file.tryLock(true).catch(() => true)) {
      file.close();
      throw new Error(
        `Cannot write to ${folder} as ${await holder(
          path,
        )} does. Wait until it has ended, or choose ` +
          "another folder",
      );
    }
    const named = await Deno.stat(path).catch(() => undefined);
    if (named?.ino !== (await file.stat()).ino) {
      file.close(); // the writer before has removed it
      continue;
    }
    const text = JSON.stringify({ pid: Deno.pid, host: Deno.hostname(), since: new Date() });
    await Deno.writeTextFile(path, text).catch(() => {}); // the disk may be full
    return {
      [Symbol.dispose]() {
        try {
          Deno.removeSync(path);
        } catch {
          // The folder may be gone, or read-only by now.
        }
        file.close();
      },
    };
  }
}

/** Says who has locked a folder. */
async function holder(path: string): Promise<string> {
  try {
    const { pid, host, since } = await readJson(path);
    const isThis = pid === Deno.pid && host === Deno.hostname();
    return `${isThis ? "this process" : `process ${pid} on ${host}`}, since ${since},`;
  } catch {
    return "another process"; // which has not yet written its name
  }
}

async function openFolder(path: string): Promise<Deno.FsFile | undefined> {
  if (path.endsWith(".partial") && (await Deno.lstat(path).catch(() => undefined))?.isSymlink) {
    await Deno.remove(path); // what it points to is not ours
  }
  await Deno.mkdir(path, { recursive: true });
  if (!OPENS_FOLDERS) return;
  try {
    return await Deno.open(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return openFolder(path); // the previous writer has renamed it
  }
}

async function exists(path: string) {
  try {
    return !!await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const entries = (folder: string) => Array.fromAsync(Deno.readDir(folder));

async function flushAll(folder: string) {
  for (const { name, isDirectory } of await entries(folder)) {
    if (isDirectory) await flushAll(`${folder}/${name}`);
    else await flush(`${folder}/${name}`);
  }
  await flush(folder);
}

/** Has `take` bring all files that are not the writer's from one folder to the other, and copies mode and owner. */
async function keep(
  from: string,
  to: string,
  owned: RegExp | undefined,
  take: (source: string, target: string) => Promise<void>,
) {
  const { dev, mode, uid, gid } = await Deno.stat(from);
  for (const { name, isDirectory } of await entries(from)) {
    if (owned?.test(name.replace(/\.partial$/, ""))) continue;
    const [source, target] = [`${from}/${name}`, `${to}/${name}`];
    if (isDirectory) {
      if ((await Deno.stat(source)).dev !== dev) {
        throw new Error(
          `Cannot replace ${from} as it must hold no mount point: current value is ${source}. Save ` +
            "to another folder",
        );
      }
      await Deno.mkdir(target, { recursive: true });
      await keep(source, target, undefined, take);
      await flush(target);
    } else await take(source, target);
  }
  await Deno.chown(to, uid, gid).catch(() => {}); // only the superuser may
  if (mode !== null) await Deno.chmod(to, mode & 0o7777);
}

async function linkOrCopy(source: string, target: string) {
  if (await exists(target)) return; // the writer's
  try {
    await Deno.link(source, target);
  } catch {
    if ((await Deno.lstat(source)).isSymlink) {
      return await Deno.symlink(await Deno.readLink(source), target);
    }
    await Deno.copyFile(source, target);
    await flush(target);
  }
}

async function moveNewer(source: string, target: string) {
  const there = await Deno.lstat(target).catch(() => undefined);
  const { mtime } = await Deno.lstat(source);
  if (!there || mtime! > there.mtime!) await Deno.rename(source, target);
}

/** Exchanges the new folder for the old one; returns where the old one is now. */
async function exchange(partial: string, path: string, replaced: string) {
  if (swap(partial, path)) return partial;
  await rename(path, replaced);
  try {
    await rename(partial, path);
  } catch (error) {
    await rename(replaced, path);
    throw error;
  }
  return replaced;
}

/** Exchanges two paths in one step; returns `false` where the system or the file system cannot. */
function swap(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => new TextEncoder().encode(`${path}\0`));
  try {
    if (Deno.build.os === "darwin") {
      const library = Deno.dlopen("libSystem.B.dylib", {
        renamex_np: { parameters: ["buffer", "buffer", "u32"], result: "i32" },
      });
      const RENAME_SWAP = 2;
      const result = library.symbols.renamex_np(a!, b!, RENAME_SWAP);
      library.close();
      return result === 0;
    }
    const library = Deno.dlopen("libc.so.6", {
      renameat2: { parameters: ["i32", "buffer", "i32", "buffer", "u32"], result: "i32" },
    });
    const [AT_FDCWD, RENAME_EXCHANGE] = [-100, 2];
    const result = library.symbols.renameat2(AT_FDCWD, a!, AT_FDCWD, b!, RENAME_EXCHANGE);
    library.close();
    return result === 0;
  } catch {
    return false; // there is no such library or function
  }
}
