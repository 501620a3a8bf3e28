import assert from "node:assert/strict";
import { dirname } from "node:path";
import { openDevice } from "lightweight-finetuning";
import { findLibraries } from "../../lib/device/libraries.ts";
import { port } from "../../lib/device/port.ts";
import { temporaryFolder } from "../helpers/altered.ts";

const ROOT = new URL("../..", import.meta.url);
const device = await openDevice();
const { binding } = findLibraries();

Deno.test("openDevice() says what TensorFlow runs on", () => {
  const size = device.kind === "gpu" ? "\\d+ GB" : `${device.threads} threads, \\d+ GB`;
  const text = `^[CG]PU 0: .+ \\(${size}\\), TensorFlow \\d+\\.\\d+\\.\\d+$`;
  assert.match(String(device), new RegExp(text));
  assert.ok(String(device).startsWith(device.kind.toUpperCase()));
  assert.ok(device.memory > 2 ** 29 && device.threads >= 1);
});

/** What a process of its own prints when it opens the device. */
async function open(env: Record<string, string>, cwd: string | URL = ROOT, options = "") {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `import { openDevice } from ${JSON.stringify(`${ROOT}lib/mod.ts`)};
       console.log(String(await openDevice(${options})));
       const { port } = await import(${JSON.stringify(`${ROOT}lib/device/port.ts`)});
       console.log(Object.keys(port().kernels).length);`,
    ],
    cwd,
    env,
  }).output();
  return [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)) as [string, string];
}

/** Opens the device in a process that finds a GPU by nvidia-smi, of which TensorFlow sees `visible`. */
async function openBesideGpu(visible: string) {
  await using folder = await temporaryFolder();
  const script = "#!/bin/sh\necho 'NVIDIA Test, 1024'\n";
  await Deno.writeTextFile(`${folder.path}/nvidia-smi`, script, { mode: 0o755 });
  const PATH = `${folder.path}:${Deno.env.get("PATH")}`;
  return await open({ CUDA_VISIBLE_DEVICES: visible, PATH });
}

Deno.test("openDevice() refuses the CPU where there is a GPU", async () => {
  const [text, error] = await openBesideGpu("-1"); // "-1" hides a real GPU from TensorFlow
  assert.equal(text, "");
  assert.match(
    error,
    new RegExp(
      "Error: Cannot use the GPU 'NVIDIA Test' as TensorFlow [\\d.]+ did not open it: .+\\. Run 'make setup' on " +
        'this machine to install the GPU build, or set CUDA_VISIBLE_DEVICES="" to run on the CPU',
    ),
  );
});

Deno.test('openDevice() takes the CPU where CUDA_VISIBLE_DEVICES is ""', async () => {
  const [text, error] = await openBesideGpu("");
  assert.match(text, /^CPU 0: /, error);
});

/** A project in a folder of its own that maps the packages and knows nothing of this clone. */
async function elsewhere() {
  const folder = await temporaryFolder();
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  delete imports["lightweight-finetuning"];
  await Deno.writeTextFile(`${folder.path}/deno.json`, JSON.stringify({ imports }));
  return folder;
}

Deno.test("openDevice() in another project takes binding and kernels from NATIVE_LIBRARIES", async () => {
  await using folder = await elsewhere();
  const libraries = dirname(binding);
  const [text, error] = await open({ NATIVE_LIBRARIES: libraries }, folder.path);
  assert.equal(text, `${device}\n${Object.keys(port().kernels).length}\n`, error);
  const given = `{ libraries: ${JSON.stringify(libraries)} }`;
  assert.equal((await open({ NATIVE_LIBRARIES: "/nowhere" }, folder.path, given))[0], text);
});

Deno.test("openDevice() in another project says where it looked, and both ways to tell", async () => {
  await using folder = await elsewhere();
  const remedy = "'. 'make setup' in a clone of this library compiles it; give its folder to " +
    "openDevice({ libraries }), or set the environment variable NATIVE_LIBRARIES to it";
  const must = "Error: Cannot open the device as 'libraries' must be a folder that holds " +
    "tfjs_binding.node: current value is '";
  const [text, error] = await open({}, folder.path);
  assert.equal(text, "");
  assert.ok(error.includes(must), error);
  assert.ok(error.includes(`/@tensorflow/tfjs-node-gpu/4.22.0/lib/napi-v8${remedy}`), error);
  const [, unknown] = await open({ NATIVE_LIBRARIES: "/nowhere" });
  assert.ok(unknown.includes(`${must}/nowhere${remedy}`), unknown);
});

Deno.test("openDevice() does with the binding alone", async () => {
  await using folder = await temporaryFolder();
  await Deno.symlink(binding, `${folder.path}/tfjs_binding.node`);
  const [text, error] = await open({ NATIVE_LIBRARIES: folder.path });
  assert.equal(text, `${device}\n0\n`, error);
  assert.equal(findLibraries(folder.path).kernels, undefined);
});

Deno.test("openDevice() gives the open device again, and refuses other libraries", async () => {
  assert.equal(await openDevice(), device);
  assert.equal(await openDevice({ libraries: dirname(binding) }), device);
  await using folder = await temporaryFolder();
  await Deno.symlink(binding, `${folder.path}/tfjs_binding.node`);
  await assert.rejects(openDevice({ libraries: folder.path }), {
    message: "Cannot open the device as 'libraries' must be the folder that TensorFlow is loaded " +
      `from: current value is '${folder.path}', loaded is '${dirname(binding)}'. Restart to ` +
      "use another",
  });
});

Deno.test("importing the library opens no device and loads nothing native", async () => {
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      `await import(${JSON.stringify(`${ROOT}lib/mod.ts`)});
       const { port } = await import(${JSON.stringify(`${ROOT}lib/device/port.ts`)});
       console.log(/tensorflow_cc/.test(Deno.readTextFileSync("/proc/self/maps")));
       try { port() } catch ({ message }) { console.log(message) }`,
    ],
    cwd: ROOT,
  }).output();
  assert.equal(
    new TextDecoder().decode(stdout),
    "false\nCannot compute as a device must be open: current value is none. Call openDevice()\n",
    new TextDecoder().decode(stderr),
  );
});
