/** Whether the run is asked to stop. */
export interface Interrupt extends Disposable {
  /** Aborted once Stop was pressed. */
  readonly signal: AbortSignal;
}

/**
 * Listens for SIGINT, which JupyterLab's Stop and Ctrl-C send, and for SIGTERM. While it listens the process does not
 * die of them, so that a loop can end at its next step with everything in memory.
 *
 * A SIGTERM is sent again when it stops listening: the process ends, unless somebody else listens too.
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
