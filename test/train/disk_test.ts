import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openDevice } from "lightweight-finetuning";
import { temporaryFolder } from "../helpers/altered.ts";
import { diskWithoutFolderFlush } from "../helpers/disks.ts";
import { namesIn, outcome, resumableTrainer } from "../helpers/resumable.ts";
import { caughtWarnings } from "../helpers/sources.ts";

await openDevice();

const script = fileURLToPath(new URL("../helpers/failing_disk.ts", import.meta.url));

/** Runs a shell's commands where they may mount what they like, seen by nobody else. */
const mounting = (commands: string, ...args: string[]) =>
  new Deno.Command("unshare", { args: ["-rm", "sh", "-c", commands, "sh", ...args] }).output();

const MOUNT = 'mount -t tmpfs -o size=2m tmpfs "$1"';
const { success: canMount } = await mounting(MOUNT, "/mnt").catch(() => ({ success: false }));
if (!canMount) console.log("Disk tests ignored: 'unshare -rm' may not mount a file system here.");

Deno.test({
  name: "Trainer survives a full, a read-only and a vanished disk, and goes on elsewhere",
  ignore: !canMount,
  async fn() {
    await using folder = await temporaryFolder();
    const [disk, elsewhere] = [`${folder.path}/disk`, `${folder.path}/elsewhere`];
    await Deno.mkdir(disk);
    const train = `${MOUNT} && exec "$2" run -A "$3" "$1" "$4"`;
    const { success, stderr } = await mounting(train, disk, Deno.execPath(), script, elsewhere);
    assert.ok(success, new TextDecoder().decode(stderr));
  },
});

Deno.test("Trainer says at once that it cannot write checkpoints, and goes on elsewhere", async () => {
  await using folder = await temporaryFolder();
  await Deno.writeTextFile(`${folder.path}/file`, "");
  const heard: string[] = [];
  const { trainer } = await resumableTrainer(`${folder.path}/file`, {
    maxSteps: 1,
    listeners: [({ type }) => void heard.push(type)],
  });
  await assert.rejects(trainer.train(), {
    message: `Cannot write ${folder.path}/file: File exists (os error 17): mkdir ` +
      `'${folder.path}/file'. Make room there, or set the trainer's 'outputDir' to another folder, ` +
      "and call train(): nothing is lost",
  });
  assert.deepEqual(heard, []);
  trainer.outputDir = `${folder.path}/folder`;
  await trainer.train();
  assert.deepEqual(await namesIn(trainer.outputDir), ["checkpoint-1"]);
});

Deno.test("Trainer goes on where a checkpoint is whole, whatever the system says of its flush", async () => {
  const whole = await outcome(await resumableTrainer("", { maxSteps: 3 }));
  await using folder = await temporaryFolder();
  using warnings = caughtWarnings();
  using _ = diskWithoutFolderFlush("EIO", folder.path);
  assert.deepEqual(await outcome(await resumableTrainer(folder.path, { maxSteps: 3 })), whole);
  assert.equal(warnings.said.length, 3);
  assert.ok(
    warnings.said[0]!.startsWith(
      `${folder.path}/checkpoint-1 is whole, although the system said: `,
    ),
    warnings.said.join("\n"),
  );
  assert.deepEqual(await namesIn(folder.path), ["checkpoint-2", "checkpoint-3"]);
});
