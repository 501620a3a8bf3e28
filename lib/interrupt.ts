import { setTimeout as pause } from "node:timers/promises";

/** A request to stop the run; disposing of it stops listening. */
export interface Interrupt extends Disposable {
  /** Aborted when a signal arrives. */
  readonly signal: AbortSignal;
}

/** How many listen now. */
let listeners = 0;

/** Where a task that leaves nothing half done may end. */
export interface StopPoint extends Disposable {
  /** @throws {Error} When a signal has come. */
  check(progress: string): void;
  /** The same, once signals that wait have been handled. */
  pass(progress: string): Promise<void>;
}

/**
 * Lets Stop end a task, as {@link listenForInterrupt} does a loop. Within a loop that listens, such as training, the task
 * goes on: the loop decides.
 *
 * @param task What ends, for the message.
 */
export function stopPoint(task: string): StopPoint {
  const interrupt = listeners === 0 ? listenForInterrupt() : undefined;
  const check = (progress: string) => {
    if (!interrupt?.signal.aborted) return;
    throw new Error(`Stopped: ${task} ended ${progress}. Run the cell again to do all of it`);
  };
  return {
    check,
    async pass(progress) {
      if (!interrupt) return;
      await pause();
      check(progress);
    },
    [Symbol.dispose]: () => interrupt?.[Symbol.dispose](),
  };
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
  listeners++;
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
      listeners--;
      Deno.removeSignalListener("SIGINT", onInterrupt);
      Deno.removeSignalListener("SIGTERM", onTerminate);
      if (terminate) Deno.kill(Deno.pid, "SIGTERM");
    },
  };
}
