/** A request to stop the run; disposing of it stops listening. */
export interface Interrupt extends Disposable {
  /** Aborted when a signal arrives. */
  readonly signal: AbortSignal;
}

/**
 * Listens for SIGINT, which JupyterLab's Stop and Ctrl-C send, and for SIGTERM. Meanwhile they do not end the process, so
 * that a loop can end after its current step with everything in memory.
 *
 * A SIGTERM is sent again when it stops listening: the process then ends, unless there is another listener.
 *
 * @example
 * ```ts ignore
 * import { listenForInterrupt } from "./interrupt.ts";
 * using interrupt = listenForInterrupt();
 * while (!interrupt.signal.aborted) await new Promise((resolve) => setTimeout(resolve));
 * ```
 */
export function listenForInterrupt(): Interrupt {
  const controller = new AbortController();
  let terminate = false;
  const onInterrupt = () => controller.abort();
  const onTerminate = () => {
    terminate = true;
    controller.abort();
  };
  Deno.addSignalListener("SIGINT", onInterrupt);
  Deno.addSignalListener("SIGTERM", onTerminate);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      Deno.removeSignalListener("SIGINT", onInterrupt);
      Deno.removeSignalListener("SIGTERM", onTerminate);
      if (terminate) Deno.kill(Deno.pid, "SIGTERM");
    },
  };
}
