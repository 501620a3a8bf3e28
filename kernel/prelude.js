// Runs in the stock kernel, silently, before the first cell; see relay.py.
{
  const { broadcast } = Deno.jupyter;

  // Without a listener SIGINT ends the process. The relay learns from the broadcast that the cell
  // lets the event loop run.
  Deno.addSignalListener("SIGINT", () => broadcast("relay_stop_heard", {}));

  // The relay's question whether all output is out: the broadcast queues behind it.
  Deno.addSignalListener("SIGUSR2", () => broadcast("relay_flushed", {}));

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
