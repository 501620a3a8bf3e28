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
