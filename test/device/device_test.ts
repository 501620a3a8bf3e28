import assert from "node:assert/strict";
import { createRandom, openDevice, permutation } from "lightweight-finetuning";
import { temporaryFolder } from "../helpers/altered.ts";

const device = await openDevice();

Deno.test("openDevice() says what TensorFlow runs on", () => {
  const size = device.kind === "gpu" ? "\\d+ GB" : `${device.threads} threads, \\d+ GB`;
  const text = `^[CG]PU 0: .+ \\(${size}\\), TensorFlow \\d+\\.\\d+\\.\\d+$`;
  assert.match(String(device), new RegExp(text));
  assert.ok(String(device).startsWith(device.kind.toUpperCase()));
  assert.ok(device.memory > 2 ** 29 && device.threads >= 1);
});

/** Opens the device in a process that finds a GPU by nvidia-smi, of which TensorFlow sees `visible`. */
async function openBesideGpu(visible: string) {
  await using folder = await temporaryFolder();
  const script = "#!/bin/sh\necho 'NVIDIA Test, 1024'\n";
  await Deno.writeTextFile(`${folder.path}/nvidia-smi`, script, { mode: 0o755 });
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "eval",
      'import { openDevice } from "lightweight-finetuning"; console.log(String(await openDevice()))',
    ],
    cwd: new URL("../..", import.meta.url),
    env: { CUDA_VISIBLE_DEVICES: visible, PATH: `${folder.path}:${Deno.env.get("PATH")}` },
  }).output();
  return [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)) as [string, string];
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

Deno.test("createRandom() gives the same numbers for the same seed and place in the stream", () => {
  const [first, same, other] = [1, 1, 2].map((seed) => createRandom(seed));
  const draw = (random = first!) => [...random.uniform([50]).dataSync<"float32">()];
  const [a, b] = [draw(), draw()];
  assert.notDeepEqual(a, b);
  assert.deepEqual([draw(same), draw(same)], [a, b]);
  assert.deepEqual(draw(createRandom(1, 1)), b);
  assert.equal(first!.draws, 2);
  assert.notDeepEqual(draw(other), a);
});

Deno.test("createRandom() draws uniform and normal numbers", () => {
  const count = 100_000;
  const random = createRandom(3);
  const uniform = random.uniform([count]).dataSync<"float32">();
  const normal = random.normal([count]).dataSync<"float32">();
  const mean = (values: Float32Array) => values.reduce((a, b) => a + b, 0) / count;
  const near = (value: number, expected: number, standardError: number) =>
    assert.ok(Math.abs(value - expected) < 5 * standardError, `${value}, not ${expected}`);
  assert.ok(uniform.every((value) => value >= 0 && value < 1));
  near(mean(uniform), 1 / 2, Math.sqrt(1 / 12 / count));
  near(mean(uniform.map((x) => x * x)), 1 / 3, Math.sqrt(4 / 45 / count));
  near(mean(normal), 0, Math.sqrt(1 / count));
  near(mean(normal.map((x) => x * x)), 1, Math.sqrt(2 / count));
});

Deno.test("permutation() is an order of all rows by the seed", () => {
  const rows = Array.from({ length: 100 }, (_, row) => row);
  const order = permutation(createRandom(5), 100);
  assert.deepEqual(order.toSorted((a, b) => a - b), rows);
  assert.notDeepEqual(order, rows);
  assert.deepEqual(permutation(createRandom(5), 100), order);
  assert.notDeepEqual(permutation(createRandom(6), 100), order);
});
