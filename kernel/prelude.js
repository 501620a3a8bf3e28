// Runs in the stock kernel, silently, before the first cell; see relay.py.
{
  const { broadcast } = Deno.jupyter;

  // Without a listener SIGINT ends the process. The relay learns from the broadcast that the cell
  // lets the event loop run.
  Deno.addSignalListener("SIGINT", () => broadcast("relay_stop_heard", {}));

  // The relay's question whether all output is out: the broadcast queues behind it.
  Deno.addSignalListener("SIGUSR2", () => broadcast("relay_flushed", { thrown: takeThrown() }));

  // A cell that was ended where it stood leaves a promise that nothing settles: the stock kernel
  // goes on as soon as it is collected.
  const { Session } = process.getBuiltinModule("node:inspector");
  Deno.addSignalListener("SIGUSR1", () => {
    const inspector = new Session();
    inspector.connect();
    inspector.post("HeapProfiler.collectGarbage", () => inspector.disconnect());
  });

  // The stock kernel asks of what a cell threw whether it is an Error, and tells neither its cause
  // nor what is in a plain object.
  let thrown;
  const hasInstance = Function.prototype[Symbol.hasInstance];
  Object.defineProperty(Error, Symbol.hasInstance, {
    configurable: true,
    value(value) {
      if (this === Error) thrown = value;
      return hasInstance.call(this, value);
    },
  });
  const takeThrown = () => {
    const value = thrown;
    thrown = undefined;
    if (value === null || typeof value !== "object") return;
    try {
      const isError = hasInstance.call(Error, value);
      const message = String(isError ? value.message : value);
      return { isError, message, text: Deno.inspect(value) };
    } catch {
      // What cannot be told is told as the stock kernel does.
    }
  };

  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    console.error("Unhandled rejection:", event.reason);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    console.error("Uncaught:", event.error);
  });

  // The stock kernel gives these two streams to a pipe that nobody shows.
  const { print } = Deno[Deno.internal].core;
  for (const stream of [Deno.stdout, Deno.stderr]) {
    const decoder = new TextDecoder();
    stream.writeSync = (bytes) => {
      print(decoder.decode(bytes, { stream: true }), stream === Deno.stderr);
      return bytes.length;
    };
    stream.write = (bytes) => Promise.resolve(stream.writeSync(bytes));
  }
}
