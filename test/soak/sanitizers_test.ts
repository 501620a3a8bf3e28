import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { openDevice } from "lightweight-finetuning";
import { findLibraries } from "../../lib/device/libraries.ts";
import { port } from "../../lib/device/port.ts";
import { temporaryFolder } from "../helpers/altered.ts";

await openDevice();

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SOURCE = `${ROOT}lib/kernels/fused.cc`;
const SANITIZERS = ["address", "undefined", "float-cast-overflow"];
// With these GCC 12 takes no address of a function for a constant, which TensorFlow's headers need; TensorFlow has no RTTI.
const NOT = ["null", "nonnull-attribute", "returns-nonnull-attribute", "vptr"];
const FLAGS = [
  ...["-O1", "-g", "-UNDEBUG", "-Wno-error", "-fno-sanitize-recover=all"],
  ...[`-fsanitize=${SANITIZERS}`, `-fno-sanitize=${NOT}`],
];

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Compiles kernels with sanitizers; `fuzz` runs them in a process of its own. */
async function sanitized(source: string) {
  const folder = await temporaryFolder();
  await Deno.symlink(findLibraries().binding, `${folder.path}/tfjs_binding.node`);
  const code = `
import bootstrap, sys
from pathlib import Path
source, target, *flags = sys.argv[1:]
bootstrap.LOG = Path(target).with_name("log")
bootstrap.compile_library(Path(target), (*bootstrap.COMPILE_KERNELS, *flags), source)`;
  const compiled = await new Deno.Command(`${ROOT}.venv/bin/python`, {
    args: ["-Bc", code, source, `${folder.path}/fused_kernels.so`, ...FLAGS],
    cwd: ROOT,
  }).output();
  assert.ok(compiled.success, decode(compiled.stderr));
  const runtimes = ["libasan.so", "libubsan.so"].map(async (name) => {
    const { stdout } = await new Deno.Command("g++", { args: [`-print-file-name=${name}`] })
      .output();
    return decode(stdout).trim();
  });
  const env = {
    NATIVE_LIBRARIES: folder.path,
    LD_PRELOAD: (await Promise.all(runtimes)).join(" "),
    ASAN_OPTIONS: "detect_leaks=0",
    UBSAN_OPTIONS: "print_stacktrace=1",
    TF_ENABLE_ONEDNN_OPTS: "0", // whose allocator would hide the ends of larger buffers
  };
  const script = `${ROOT}test/helpers/kernel_fuzz.ts`;
  return {
    async fuzz(count: number, seed: number, only: string[] = []) {
      const args = ["run", "-A", "--no-check", script, `${count}`, `${seed}`, ...only];
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        ...{ args, env, cwd: ROOT },
      }).output();
      return { success, stdout: decode(stdout), stderr: decode(stderr) };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** SOAK asks for them: each compiles for minutes. */
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, ignore: !Deno.env.has("SOAK") || !port().kernels.addBias, fn });

test("the kernels touch no memory but their own over 40,000 random calls, right and wrong", async () => {
  await using kernels = await sanitized(SOURCE);
  const runs = await Promise.all([1, 2].map((seed) => kernels.fuzz(20_000, seed)));
  for (const { success, stdout, stderr } of runs) {
    assert.ok(success, stderr);
    console.log(stdout.trim());
  }
});

/** A defect of each kind: what is in the source, what replaces it, and what the sanitizers say. */
const DEFECTS: Record<string, [source: string, defect: string, found: RegExp]> = {
  AdamW: [
    "i < end; i++) {\n        const float g",
    "i <= end; i++) {\n        const float g",
    /AddressSanitizer: heap-buffer-overflow/,
  ],
  AddBias: [
    'OP_REQUIRES_OK(context, shaped(context, 1, "bias", {width}));',
    "",
    /AddressSanitizer: (SEGV|heap-buffer-overflow)/,
  ],
  Attention: [
    "return x >= 1 && x <= 65536 && x == std::floor(x);",
    "return x == x || true;",
    /runtime error: (.*outside the range of representable values|division by zero)/,
  ],
};

test("the sanitizers find a loop one too long, and a shape and an attribute not checked", async () => {
  await using folder = await temporaryFolder();
  let source = await Deno.readTextFile(SOURCE);
  for (const [right, wrong] of Object.values(DEFECTS)) {
    assert.equal(source.split(right).length, 2, right);
    source = source.replace(right, wrong);
  }
  await Deno.writeTextFile(`${folder.path}/fused.cc`, source);
  await using kernels = await sanitized(`${folder.path}/fused.cc`);
  for (const [op, [, , found]] of Object.entries(DEFECTS)) {
    const { success, stderr } = await kernels.fuzz(2_000, 1, [op]);
    assert.ok(!success, op);
    assert.match(stderr, found, `${op}: ${stderr}`);
  }
});
