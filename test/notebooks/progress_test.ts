import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const python = fileURLToPath(new URL("../../.venv/bin/python", import.meta.url));
const program = `
  import { progressLine } from "${new URL("../../notebooks/progress.ts", import.meta.url)}";
  const show = progressLine();
  show("step 1");
  show("step 2 " + "x".repeat(100));
  show();
  console.log("done");`;

async function output(command: string, ...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command(command, { args, env: { NO_COLOR: "1" } }).output();
  return new TextDecoder().decode(stdout);
}

Deno.test("progress is lines in a log", async () => {
  assert.equal(
    await output(Deno.execPath(), "eval", program),
    `step 1\nstep 2 ${"x".repeat(100)}\ndone\n`,
  );
});

Deno.test("progress is one line in place on a terminal, cut at its width", async () => {
  const spawn = "import pty, sys; pty.spawn(sys.argv[1:])";
  const clear = "\r\x1b[K";
  assert.equal(
    await output(python, "-c", spawn, Deno.execPath(), "eval", program),
    `${clear}step 1${clear}step 2 ${"x".repeat(72)}${clear}done\r\n`,
  );
});
