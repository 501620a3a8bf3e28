/** Whether Stop was pressed since it began to listen. */
export interface Interrupt extends Disposable {
  readonly requested: boolean;
}

/**
 * Listens for SIGINT, which JupyterLab's Stop and Ctrl-C send. While it listens the process does not die of it, so that
 * a loop can end at its next step with everything in memory.
 *
 * @example
 * ```ts ignore
 * using interrupt = listenForInterrupt();
 * while (!interrupt.requested) await step();
 * ```
 */
export function listenForInterrupt(): Interrupt {
  let requested = false;
  const listener = () => {
    requested = true;
  };
  Deno.addSignalListener("SIGINT", listener);
  return {
    get requested() {
      return requested;
    },
    [Symbol.dispose]: () => Deno.removeSignalListener("SIGINT", listener),
  };
}
