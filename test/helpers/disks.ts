/** Stand-ins for disks that refuse something, until the end of the block: `using _ = readOnlyDisk()`. */

type Refused = "mkdir" | "open" | "remove" | "rename" | "symlink" | "writeTextFile" | "truncate";

function refusing(names: Refused[], code: string, message: string): Disposable {
  const kept = names.map((name) => [name, Deno[name]] as const);
  for (const [name, original] of kept) {
    const fake = (...args: unknown[]) => {
      const options = args[1] as Deno.OpenOptions | undefined;
      if (name === "open" && !options?.write && !options?.create) {
        return Reflect.apply(original, Deno, args);
      }
      return Promise.reject(Object.assign(new Error(message), { code }));
    };
    Object.assign(Deno, { [name]: fake });
  }
  return { [Symbol.dispose]: () => void Object.assign(Deno, Object.fromEntries(kept)) };
}

/** As Linux answers on a file system that is mounted read-only. */
export const readOnlyDisk = () =>
  refusing(
    ["mkdir", "open", "remove", "rename", "symlink", "writeTextFile", "truncate"],
    "EROFS",
    "Read-only file system (os error 30)",
  );

/** As Linux answers on VFAT. */
export const diskWithoutLinks = () =>
  refusing(["symlink"], "EPERM", "Operation not permitted (os error 1)");

/** As some network and user-space file systems answer to the flush of a folder: of all, or of one. */
export function diskWithoutFolderFlush(code: string, folder?: string): Disposable {
  const { sync } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.sync = async function () {
    const { isDirectory, ino } = await this.stat();
    if (isDirectory && (!folder || ino === (await Deno.stat(folder)).ino)) {
      throw Object.assign(new Error(`refused (${code})`), { code });
    }
    return await sync.call(this);
  };
  return { [Symbol.dispose]: () => void (Deno.FsFile.prototype.sync = sync) };
}

/** As NFS answers when the server's first answer was lost: the name is new already. */
export function diskThatDeniesRenames(): Disposable {
  const { rename } = Deno;
  Deno.rename = async (from, to) => {
    await rename(from, to);
    throw Object.assign(new Error("No such file or directory (os error 2)"), { code: "ENOENT" });
  };
  return { [Symbol.dispose]: () => void (Deno.rename = rename) };
}
