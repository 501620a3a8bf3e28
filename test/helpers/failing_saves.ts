/** Saves over a model or an adapter while the disk is full or read-only. Its argument is a file system of 4 MB. */
import assert from "node:assert/strict";
import { hashes, savers } from "./saving.ts";

const [disk = ""] = Deno.args;

function mount(...args: string[]) {
  const { success, stderr } = new Deno.Command("mount", { args }).outputSync();
  assert.ok(success, new TextDecoder().decode(stderr));
}

const remount = (how: string) => mount("-o", `remount,${how}`, disk);

/** Fills the disk but for some bytes. */
function fill(free: number) {
  using file = Deno.openSync(`${disk}/ballast`, { create: true, write: true });
  assert.throws(() => {
    while (true) file.writeSync(new Uint8Array(4096));
  }, /No space left/);
  file.truncateSync(file.statSync().size - free);
}

const names = () => Array.from(Deno.readDirSync(disk), ({ name }) => name).sort();

for (const [what, saver] of Object.entries(savers)) {
  const save = await saver();
  const folder = `${disk}/${what}`;
  await save("A", folder);
  await Deno.writeTextFile(`${folder}/notes.md`, "mine");
  const old = await hashes(folder);

  const refused = async (said: string, code: string) => {
    await assert.rejects(save("B", folder), (error: Error) => {
      assert.ok(error.message.startsWith(`Cannot write ${folder}: ${said}`), error.message);
      assert.match(error.message, /What was there is unchanged$/);
      assert.equal((error.cause as { code: string }).code, code);
      return true;
    });
    assert.deepEqual(await hashes(folder), old);
  };
  for (const free of [0, 4096, 8192]) {
    fill(free);
    await refused("No space left on device (os error 28)", "ENOSPC");
    assert.deepEqual(names(), [what, "ballast"].sort());
    await Deno.remove(`${disk}/ballast`);
  }
  remount("ro");
  await refused("Read-only file system (os error 30)", "EROFS");
  remount("rw");
  await save("B", folder);
  assert.notDeepEqual(await hashes(folder), old);
  assert.equal(await Deno.readTextFile(`${folder}/notes.md`), "mine");

  const volume = `${folder}/volume`;
  await Deno.mkdir(volume);
  mount("-t", "tmpfs", "none", volume);
  await Deno.writeTextFile(`${volume}/precious`, "mine");
  const held = await hashes(folder);
  await assert.rejects(save("A", folder), /must hold no mount point: current value is .*volume/);
  assert.deepEqual(await hashes(folder), held);
  assert.deepEqual(names(), [what]);
  assert.ok(new Deno.Command("umount", { args: [volume] }).outputSync().success);
  await Deno.remove(folder, { recursive: true });
}
