import assert from "node:assert/strict";
import { basename, dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { fileDigest, isFile, writeFile, writeFolder, writeLink } from "../lib/files.ts";
import { temporaryFolder } from "./helpers/altered.ts";
import { diskThatDeniesRenames, diskWithoutFolderFlush } from "./helpers/disks.ts";
import { hashes, savers } from "./helpers/saving.ts";

const namesIn = (folder: string) => Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();

/** Replaces a function of Deno until the end of the block. */
function replaced<K extends "dlopen" | "link">(name: K, by: typeof Deno[K]) {
  const own = Deno[name];
  Deno[name] = by;
  return { [Symbol.dispose]: () => void (Deno[name] = own) };
}

const unsupported = () => {
  throw new Deno.errors.NotSupported("not here");
};

Deno.test("writeFile() writes texts, bytes and what comes piece by piece, and makes the folder", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/new/file`;
  await writeFile(path, "é");
  assert.equal(await Deno.readTextFile(path), "é");
  await writeFile(path, Uint8Array.of(0, 255));
  assert.deepEqual(await Deno.readFile(path), Uint8Array.of(0, 255));
  await writeFile(path, async (write) => {
    await write(Uint16Array.of(1, 2, 3).subarray(1));
    await write(new Uint8Array(0));
    await write(Uint8Array.of(9));
  });
  assert.deepEqual(await Deno.readFile(path), Uint8Array.of(2, 0, 3, 0, 9));
  assert.deepEqual(namesIn(`${folder.path}/new`), ["file"]);
});

Deno.test("writeFile() leaves the old file and nothing else when it fails", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/file`;
  await writeFile(path, "old");
  const reason = new RangeError("no more");
  const fails = async (write: (bytes: Uint8Array) => Promise<void>) => {
    await write(new Uint8Array(100_000));
    throw reason;
  };
  await assert.rejects(writeFile(path, fails), reason);
  await Deno.symlink("/dev/full", `${path}.partial`); // the disk is full
  await assert.rejects(writeFile(path, "new"), { message: /^No space left/, code: "ENOSPC" });
  assert.equal(await Deno.readTextFile(path), "old");
  assert.deepEqual(namesIn(folder.path), ["file"]);
});

Deno.test("writeFile() overwrites what a killed process left, and writers take turns", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/file`;
  await Deno.writeTextFile(`${path}.partial`, "x".repeat(100_000));
  const texts = Array.from({ length: 20 }, (_, i) => String(i).repeat(1000));
  await Promise.all(texts.map((text) => writeFile(path, text)));
  assert.ok(texts.includes(await Deno.readTextFile(path)));
  assert.deepEqual(namesIn(folder.path), ["file"]);
});

Deno.test("writeLink() replaces a link, and isFile() follows it", async () => {
  await using folder = await temporaryFolder();
  const link = `${folder.path}/a/link`;
  await writeFile(`${folder.path}/file`, "text");
  for (const target of ["nothing", "../file"]) await writeLink(link, target);
  assert.equal(await Deno.readTextFile(link), "text");
  assert.deepEqual(await Promise.all([link, `${folder.path}/a`, `${link}2`].map(isFile)), [
    ...[true, false, false],
  ]);
  assert.deepEqual(namesIn(`${folder.path}/a`), ["link"]);
});

Deno.test("fileDigest() hashes a file as git and sha256sum do", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/file`;
  await writeFile(path, "abc");
  assert.match(await fileDigest(path, "sha256"), /^ba7816bf8f01cfea414140de5dae2223b00361a3/);
  assert.equal(
    await fileDigest(path, "sha1", "blob 3\0"),
    "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f",
  );
});

/** Writes one of the files a and b; both are the writer's. */
const write = (path: string, name: string, text = name) =>
  writeFolder(path, (folder) => Deno.writeTextFile(`${folder}/${name}`, text), /^[ab]$/);

/** A folder that is the writer's and the user's. */
async function ownAndOthers(path: string) {
  await write(path, "a");
  await Deno.mkdir(`${path}/checkpoints/1`, { recursive: true });
  await Deno.writeTextFile(`${path}/README.md`, "mine");
  await Deno.writeTextFile(`${path}/checkpoints/1/a`, "mine too");
  await Deno.symlink("checkpoints/1", `${path}/last`);
  await Deno.symlink("nothing", `${path}/dangling`);
  await Deno.chmod(path, 0o2750);
}

for (const [what, stub] of [["links", undefined], ["no links", unsupported]] as const) {
  Deno.test(`writeFolder() keeps what is not the writer's, on a disk with ${what}`, async () => {
    await using folder = await temporaryFolder();
    using _link = stub && replaced("link", stub);
    const path = `${folder.path}/folder`;
    await ownAndOthers(path);
    const { ino } = await Deno.stat(`${path}/README.md`);
    await Deno.writeTextFile(`${path}/b.partial`, "half"); // of a writer before this one
    await write(path, "b");
    assert.deepEqual(namesIn(path), ["README.md", "b", "checkpoints", "dangling", "last"]);
    assert.equal(await Deno.readTextFile(`${path}/last/a`), "mine too");
    assert.equal(await Deno.readLink(`${path}/dangling`), "nothing");
    assert.equal((await Deno.stat(`${path}/README.md`)).ino === ino, !stub);
    assert.equal((await Deno.stat(path)).mode! & 0o7777, 0o2750);
    assert.deepEqual(namesIn(folder.path), ["folder"]);
  });
}

Deno.test("writeFolder() keeps a file of the writer's that 'owned' does not name, as it is new", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/folder`;
  for (const text of ["old", "new"]) await write(path, "extra", text);
  assert.equal(await Deno.readTextFile(`${path}/extra`), "new");
});

Deno.test("writeFolder() keeps what comes just before the folders are exchanged", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/folder`;
  await ownAndOthers(path);
  const { dlopen } = Deno;
  using _late = replaced(
    "dlopen",
    ((...args: Parameters<typeof dlopen>) => {
      Deno.writeTextFileSync(`${path}/late`, "late");
      Deno.writeTextFileSync(`${path}/README.tmp`, "changed");
      Deno.renameSync(`${path}/README.tmp`, `${path}/README.md`);
      return dlopen(...args);
    }) as typeof dlopen,
  );
  await write(path, "b");
  assert.equal(await Deno.readTextFile(`${path}/late`), "late");
  assert.equal(await Deno.readTextFile(`${path}/README.md`), "changed");
  assert.deepEqual(namesIn(folder.path), ["folder"]);
});

Deno.test("writeFolder() follows a link, and the working directory stays", async () => {
  await using folder = await temporaryFolder();
  const path = await Deno.realPath(folder.path);
  await Deno.mkdir(`${path}/real/within`, { recursive: true });
  await Deno.symlink("real", `${path}/link`);
  await write(`${path}/link`, "a");
  assert.ok((await Deno.lstat(`${path}/link`)).isSymlink);
  assert.deepEqual(namesIn(`${path}/real`), ["a", "within"]);
  const before = Deno.cwd();
  try {
    Deno.chdir(`${path}/real/within`);
    await write("..", "b");
    assert.equal(Deno.cwd(), `${path}/real/within`);
    assert.deepEqual(namesIn(".."), ["b", "within"]);
  } finally {
    Deno.chdir(before);
  }
  assert.deepEqual(namesIn(path), ["link", "real"]);
});

Deno.test("writeFolder() leaves the old folder when it fails, and removes its own and a killed writer's", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/folder`;
  await ownAndOthers(path);
  const old = await hashes(path);
  await Deno.mkdir(`${path}.partial/b/c`, { recursive: true });
  const reason = new RangeError("no more");
  const fails = async (folder: string) => {
    assert.deepEqual(namesIn(folder), []);
    await Deno.writeTextFile(`${folder}/a`, "new");
    throw reason;
  };
  await assert.rejects(writeFolder(path, fails, /^a$/), reason);
  const lacks = (folder: string) => Deno.copyFile(`${folder}/none`, `${folder}/a`);
  await assert.rejects(writeFolder(path, lacks, /^a$/), (error: Error) => {
    assert.ok(error.message.startsWith(`Cannot write ${path}: No such file or directory`));
    assert.ok(error.cause instanceof Deno.errors.NotFound);
    return true;
  });
  assert.deepEqual(await hashes(path), old);
  assert.deepEqual(namesIn(folder.path), ["folder"]);
  await assert.rejects(write(`${path}/README.md`, "a"), /README\.md: File exists/);
  assert.deepEqual(await hashes(path), old);
  assert.deepEqual(namesIn(path), ["README.md", "a", "checkpoints", "dangling", "last"]);
});

for (const [what, stub] of [["exchanges", undefined], ["cannot exchange", unsupported]] as const) {
  Deno.test(`writeFolder() lets writers take turns on a system that ${what} folders`, async () => {
    await using folder = await temporaryFolder();
    using _dlopen = stub && replaced("dlopen", stub);
    const path = `${folder.path}/folder`;
    await Promise.all(Array.from({ length: 30 }, (_, i) =>
      writeFolder(path, async (folder) => {
        for (const name of ["a", "b"]) await writeFile(`${folder}/${name}`, String(i));
      }, /^[ab]$/)));
    assert.equal(await Deno.readTextFile(`${path}/a`), await Deno.readTextFile(`${path}/b`));
    assert.deepEqual(namesIn(folder.path), ["folder"]);
  });
}

Deno.test("writeFolder() without an exchange keeps the old folder under another name, and finds it again", async () => {
  await using folder = await temporaryFolder();
  using _dlopen = replaced("dlopen", unsupported);
  const path = `${folder.path}/folder`;
  await ownAndOthers(path);
  await write(path, "b");
  assert.deepEqual(namesIn(path), ["README.md", "b", "checkpoints", "dangling", "last"]);
  // Killed between the two renames.
  await Deno.rename(path, `${path}.replaced`);
  await Deno.mkdir(`${path}.partial`);
  await assert.rejects(
    writeFolder(path, () => Promise.reject(new Error("no")), /^a$/),
    /^Error: no/,
  );
  assert.deepEqual(namesIn(folder.path), ["folder"]);
  assert.ok(namesIn(path).includes("b"));
  // Killed between them, and the user has made a folder since.
  await Deno.rename(path, `${path}.replaced`);
  await Deno.mkdir(path);
  await write(path, "a");
  assert.deepEqual(namesIn(folder.path), ["folder"]);
  assert.deepEqual(namesIn(path), ["README.md", "a", "checkpoints", "dangling", "last"]);
});

Deno.test("saveModel() takes the shards and the tokenizer of an older model away, and no other file", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/model`;
  await Deno.mkdir(path);
  const others = ["README.md", "model-best.safetensors", "pytorch_model.bin", "training_args.bin"];
  const older = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    .concat("model.safetensors.index.json", "merges.txt", "vocab.json");
  for (const name of [...others, ...older]) await Deno.writeTextFile(`${path}/${name}`, name);
  await savers.model()("B", path);
  const written = ["config.json", "model.safetensors", "tokenizer_config.json"];
  assert.deepEqual(namesIn(path), [...others, ...written].sort());
});

Deno.test("writeFolder() takes a link in the way of its own folder away, and not what it points to", async () => {
  await using folder = await temporaryFolder();
  const path = (name: string) => `${folder.path}/${name}`;
  await Deno.mkdir(path("mine"));
  await Deno.writeTextFile(path("mine/precious"), "mine");
  await Deno.symlink("mine", path("saved.partial"));
  await writeFolder(path("saved"), (folder) => Deno.writeTextFile(`${folder}/a`, "a"), /^a$/);
  assert.deepEqual(namesIn(folder.path), ["mine", "saved"]);
  assert.deepEqual([namesIn(path("mine")), namesIn(path("saved"))], [["precious"], ["a"]]);
});

const script = (name: string) => fileURLToPath(new URL(`./helpers/${name}.ts`, import.meta.url));

/** Models or adapters A and B, each with a file of the user's; what a folder may hold is one or the other. */
async function versions(what: keyof typeof savers, folder: string) {
  const save = await savers[what]();
  const addOther = async (path: string) => {
    await Deno.mkdir(`${path}/checkpoints`, { recursive: true });
    await Deno.writeTextFile(`${path}/checkpoints/1`, "mine");
  };
  const whole: string[] = [];
  for (const version of ["A", "B"] as const) {
    await addOther(`${folder}/${version}`);
    await save(version, `${folder}/${version}`);
    whole.push(JSON.stringify(await hashes(`${folder}/${version}`)));
  }
  /** Which one a folder holds; without an exchange the old one may have another name. */
  const held = async (path: string, way: string) => {
    const moved = way === "without exchange" && !namesIn(dirname(path)).includes(basename(path));
    const files = JSON.stringify(await hashes(moved ? `${path}.replaced` : path));
    assert.ok(whole.includes(files), `a mixture: ${files}`);
    return moved ? "moved" : files === whole[0] ? "A" : "B";
  };
  return { save, addOther, held };
}

const child = (...args: string[]) =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script("saving"), ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();

const sideBySide = (count: number, run: (lane: number) => Promise<void>) =>
  Promise.all(Array.from({ length: count }, (_, lane) => run(lane)));

/** How many times the same was found. */
const counts = (found: string[]) =>
  Object.entries(Object.groupBy(found, (what) => what)).map(([what, all]) =>
    `${all!.length} times ${what}`
  ).join(", ");

for (const way of ["with exchange", "without exchange"]) {
  Deno.test(`a kill before any call to the file system, ${way}, leaves the old model or the new`, async () => {
    await using folder = await temporaryFolder();
    const { save, addOther, held } = await versions("model", folder.path);
    const found: string[] = [];
    let next = 1;
    await sideBySide(3, async (lane) => {
      const path = `${folder.path}/lane-${lane}/saved`;
      await addOther(path);
      while (true) {
        await save("A", path);
        assert.deepEqual(namesIn(dirname(path)), ["saved"]);
        const process = child("model", path, way, String(next++));
        await process.stdout.cancel();
        const { signal, success } = await process.status;
        if (success) return;
        assert.equal(signal, "SIGKILL");
        found.push(await held(path, way));
      }
    });
    console.log(`${found.length} kills: ${counts(found)}`);
    const expected = way === "with exchange" ? ["A", "B"] : ["A", "B", "moved"];
    assert.deepEqual([...new Set(found)].sort(), expected);
  });
}

/** Kills at random moments; SOAK asks for twenty times as many. */
const KILLS = [["model", 24], ["adapter", 12]] as const;
const times = Deno.env.has("SOAK") ? 20 : 1;

for (const [what, kills] of KILLS) {
  Deno.test(`a kill at any moment while one ${what} replaces another leaves the old or the new`, async () => {
    await using folder = await temporaryFolder();
    const { save, addOther, held } = await versions(what, folder.path);
    const found: string[] = [];
    let whileSaving = 0;
    await sideBySide(3, async (lane) => {
      const path = `${folder.path}/lane-${lane}/saved`;
      await addOther(path);
      await save("A", path);
      for (let kill = 0; kill < kills * times / 3; kill++) {
        const process = child(what, path, "with exchange");
        const reader = process.stdout.getReader();
        await reader.read(); // it begins to save
        await new Promise((done) => setTimeout(done, 150 * Math.random()));
        process.kill("SIGKILL");
        assert.equal((await process.status).signal, "SIGKILL");
        await reader.cancel();
        if (namesIn(dirname(path)).length > 1) whileSaving++;
        found.push(await held(path, "with exchange"));
      }
      await save("B", path);
      assert.equal(await held(path, "with exchange"), "B");
      assert.deepEqual(namesIn(dirname(path)), ["saved"]);
    });
    console.log(`${found.length} kills, ${whileSaving} while saving: ${counts(found)}`);
  });
}

/** Runs a shell's commands where they may mount what they like, seen by nobody else. */
const mounting = (commands: string, ...args: string[]) =>
  new Deno.Command("unshare", { args: ["-rm", "sh", "-c", commands, "sh", ...args] }).output();

const MOUNT = 'mount -t tmpfs -o size=4m tmpfs "$1"';
const { success: canMount } = await mounting(MOUNT, "/mnt").catch(() => ({ success: false }));

Deno.test({
  name: "saveModel() and saveAdapter() leave the old files on a disk that is full or read-only",
  ignore: !canMount,
  async fn() {
    await using folder = await temporaryFolder();
    const save = `${MOUNT} && exec "$2" run -A "$3" "$1"`;
    const args = [folder.path, Deno.execPath(), script("failing_saves")];
    const { success, stderr } = await mounting(save, ...args);
    assert.ok(success, new TextDecoder().decode(stderr));
  },
});

Deno.test("files are written where folders cannot be flushed", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/a`;
  for (const code of ["EINVAL", "ENOTSUP"]) {
    using _ = diskWithoutFolderFlush(code);
    await writeFile(path, code);
    await writeFolder(`${folder.path}/b`, (to) => Deno.writeTextFile(`${to}/c`, code), /^c$/);
    assert.equal(await Deno.readTextFile(path), code);
    assert.equal(await Deno.readTextFile(`${folder.path}/b/c`), code);
  }
});

Deno.test("a folder's failing flush is an error that says that the file has been written", async () => {
  await using folder = await temporaryFolder();
  const path = `${folder.path}/a`;
  await writeFile(path, "old");
  using _ = diskWithoutFolderFlush("EIO");
  await assert.rejects(writeFile(path, "new"), {
    message:
      `Cannot flush ${folder.path}: refused (EIO). ${path} has been written, but may be lost ` +
      "if the machine stops now",
  });
  assert.equal(await Deno.readTextFile(path), "new");
});

Deno.test("files and folders are whole where the system denies a rename that it has done", async () => {
  await using folder = await temporaryFolder();
  using _ = diskThatDeniesRenames();
  for (const text of ["first", "second"]) {
    await writeFile(`${folder.path}/a`, text);
    await writeFolder(`${folder.path}/b`, (to) => Deno.writeTextFile(`${to}/c`, text), /^c$/);
    assert.equal(await Deno.readTextFile(`${folder.path}/a`), text);
    assert.equal(await Deno.readTextFile(`${folder.path}/b/c`), text);
    assert.deepEqual(Array.from(Deno.readDirSync(folder.path), ({ name }) => name).sort(), [
      "a",
      "b",
    ]);
  }
});
