import { checkOptions } from "../options.ts";
import { findLibraries, type Libraries } from "./libraries.ts";
import { usePort } from "./port.ts";
import { loadTensorFlow } from "./tensorflow.ts";
import { tensorFlowPort } from "./tensorflow_port.ts";

/** The processor or GPU that computes. */
export interface Device {
  /** Whether it is the processor or a GPU. */
  kind: "cpu" | "gpu";
  /** Its model name. */
  name: string;
  /** Bytes: the GPU's own memory, or the machine's. */
  memory: number;
  /** Hardware threads that TensorFlow may use. */
  threads: number;
  /** TensorFlow's version. */
  tensorflow: string;
  /** All of this in one line. */
  toString(): string;
}

/** Options of {@link openDevice}. */
export interface DeviceOptions {
  /**
   * Folder of tfjs_binding.node and, for a CPU, fused_kernels.so; without the latter everything runs more slowly.
   *
   * @default {NATIVE_LIBRARIES of the environment, or lib/napi-v8/ of the npm package @tensorflow/tfjs-node-gpu}
   */
  libraries?: string;
}

let opened: Device | undefined;

/**
 * Starts TensorFlow, on the GPU if there is one. Later calls return the same device.
 *
 * @returns What TensorFlow runs on.
 * @throws {TypeError} When an option is unknown.
 * @throws {Error} When the compiled binding is not found; when `nvidia-smi` lists a GPU that TensorFlow cannot use, as it
 * never falls back to the CPU silently. Set CUDA_VISIBLE_DEVICES to an empty string to run on the CPU on purpose.
 *
 * @example
 * ```ts
 * import { openDevice } from "lightweight-finetuning";
 * console.log(String(await openDevice())); // CPU 0: AMD EPYC (2 threads, 24 GB), TensorFlow 2.21.0
 * ```
 */
export async function openDevice(options: DeviceOptions = {}): Promise<Device> {
  checkOptions("open the device", options, { libraries: true });
  const { libraries } = options;
  if (opened && libraries === undefined) return opened;
  const found = findLibraries(libraries);
  const backend = await loadTensorFlow(found);
  const gpus = await listGpus();
  const tensorflow = backend.binding.TF_Version;
  if (gpus[0] && !backend.isUsingGpuDevice) {
    const reason = await reasonAgainstGpu(found);
    throw new Error(
      `Cannot use the GPU '${gpus[0].name}' as TensorFlow ${tensorflow} did not open it: ` +
        `${reason}. Run 'make setup' on this machine to install the GPU build, or set ` +
        `CUDA_VISIBLE_DEVICES="" to run on the CPU`,
    );
  }
  const kind = gpus[0] ? "gpu" : "cpu";
  const { name, memory } = gpus[0] ??
    { name: await cpuName(), memory: Deno.systemMemoryInfo().total };
  const threads = navigator.hardwareConcurrency;
  const gigabytes = (memory / 2 ** 30).toFixed(0);
  const size = kind === "gpu" ? `${gigabytes} GB` : `${threads} threads, ${gigabytes} GB`;
  const text = `${kind.toUpperCase()} 0: ${name} (${size}), TensorFlow ${tensorflow}`;
  if (!opened) usePort(tensorFlowPort(backend, found));
  return opened ??= { kind, name, memory, threads, tensorflow, toString: () => text };
}

async function listGpus(): Promise<{ name: string; memory: number }[]> {
  if (Deno.env.get("CUDA_VISIBLE_DEVICES")?.trim() === "") return [];
  const args = ["--query-gpu=name,memory.total", "--format=csv,noheader,nounits"];
  try {
    const { success, stdout } = await new Deno.Command("nvidia-smi", { args }).output();
    if (!success) return [];
    return new TextDecoder().decode(stdout).trim().split("\n").filter(Boolean).map((line) => {
      const [name = "", mebibytes = "0"] = line.split(", ");
      return { name, memory: Number(mebibytes) * 2 ** 20 };
    });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** TensorFlow gives the reason only in its log, so a second process loads it with the log on. */
async function reasonAgainstGpu({ binding }: Libraries): Promise<string> {
  const path = JSON.stringify(binding);
  const code = `import { createRequire } from "node:module"; createRequire(${path})(${path});`;
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", code],
    env: { TF_CPP_MIN_LOG_LEVEL: "0" },
  }).output();
  const log = new TextDecoder().decode(stderr).split("\n");
  const reasons = log.filter((line) => /cuda|gpu|dlopen|driver/i.test(line));
  return reasons.map((line) => line.replace(/^.*?\] /, "")).join("; ") || "its log gives no reason";
}

async function cpuName(): Promise<string> {
  const info = await Deno.readTextFile("/proc/cpuinfo").catch(() => "");
  return info.match(/^model name\s*:\s*(.+)$/m)?.[1] ?? Deno.build.arch;
}
