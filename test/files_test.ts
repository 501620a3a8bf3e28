import assert from "node:assert/strict";
import { fileDigest, isFile, writeFile, writeFolder, writeLink } from "../lib/files.ts";
import { temporaryFolder } from "./helpers/altered.ts";
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
  // Killed before the old one was removed.
  await Deno.mkdir(`${path}.replaced/a`, { recursive: true });
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

const script = (name: string) => new URL(`./helpers/${name}.ts`, import.meta.url).pathname;

/** Of each kind of saving: kills, and how many run side by side. SOAK asks for twenty times as many. */
const KILLS = [
  { what: "model", way: "with exchange", kills: 45, most: 3 },
  { what: "adapter", way: "with exchange", kills: 12, most: 3 },
  { what: "model", way: "without exchange", kills: 12, most: 3 },
] as const;
const times = Deno.env.has("SOAK") ? 20 : 1;

for (const { what, way, kills, most } of KILLS) {
  Deno.test(`a kill at any moment while a ${what} is replaced ${way} leaves the old or the new`, async () => {
    await using folder = await temporaryFolder();
    const save = await savers[what]();
    const whole: string[] = [];
    const state = async (path: string) => JSON.stringify(await hashes(path));
    for (const version of ["A", "B"] as const) {
      const path = `${folder.path}/${version}`;
      await save(version, path);
      await Deno.mkdir(`${path}/checkpoints`);
      await Deno.writeTextFile(`${path}/checkpoints/1`, "mine");
      whole.push(await state(path));
    }
    let [whileSaving, absent] = [0, 0];
    const found = [0, 0];

    const killOften = async (lane: number) => {
      const path = `${folder.path}/lane-${lane}/saved`;
      await Deno.mkdir(`${path}/checkpoints`, { recursive: true });
      await Deno.writeTextFile(`${path}/checkpoints/1`, "mine");
      await save("A", path);
      for (let kill = 0; kill < kills * times / most; kill++) {
        const child = new Deno.Command(Deno.execPath(), {
          args: ["run", "-A", script("saving"), what, path, way],
          stdout: "piped",
          stderr: "inherit",
        }).spawn();
        await child.stdout.getReader().read(); // it begins to save
        await new Promise((done) => setTimeout(done, 80 * Math.random()));
        child.kill("SIGKILL");
        assert.equal((await child.status).signal, "SIGKILL");
        const left = namesIn(`${folder.path}/lane-${lane}`);
        if (left.length > 1) whileSaving++;
        if (way === "without exchange" && !left.includes("saved")) {
          absent++;
          assert.ok(whole.includes(await state(`${path}.replaced`)));
          continue;
        }
        const version = whole.indexOf(await state(path));
        assert.ok(version >= 0, `a mixture: ${await state(path)}`);
        found[version]!++;
      }
      await save("B", path);
      assert.equal(await state(path), whole[1]);
      assert.deepEqual(namesIn(`${folder.path}/lane-${lane}`), ["saved"]);
    };
    await Promise.all(Array.from({ length: most }, (_, lane) => killOften(lane)));
    console.log(
      `${kills * times} kills, ${whileSaving} while saving: ${found[0]} times A, ${found[1]} ` +
        `times B, ${absent} times the old one under another name`,
    );
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
