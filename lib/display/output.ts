/** One output in several media types; each front end shows the best that it supports. */
export type MimeBundle = Record<string, unknown>;

/** Shows a bundle; its metadata are by media type. */
export type Output = (bundle: MimeBundle, metadata?: MimeBundle) => Promise<void>;

interface Jupyter {
  broadcast(type: string, content: Record<string, unknown>): Promise<void>;
}

/** Deno's link to Jupyter, or undefined in a plain Deno process, where reading it throws. */
function jupyter(): Jupyter | undefined {
  try {
    return (Deno as unknown as { jupyter: Jupyter }).jupyter;
  } catch {
    return undefined;
  }
}

/**
 * Opens one output of the running notebook cell: the first bundle creates it and each later one
 * replaces it. Returns undefined outside Jupyter.
 */
function openOutput(): Output | undefined {
  const link = jupyter();
  if (!link) return undefined;
  const transient = { display_id: crypto.randomUUID() };
  let type = "display_data";
  return (data, metadata = {}) => {
    const sent = link.broadcast(type, { data, metadata, transient });
    type = "update_display_data";
    return sent;
  };
}

/** Shows a bundle in the running notebook cell; outside Jupyter, prints its plain text. */
export async function show(bundle: MimeBundle, metadata?: MimeBundle): Promise<void> {
  const output = openOutput();
  if (output) await output(bundle, metadata);
  else console.log(bundle["text/plain"]);
}

/** Shows the bundle that `bundle` returns, unless the last one is too recent and `now` is not set. */
export type Redraw = (bundle: () => MimeBundle, now?: boolean) => Promise<void>;

/** Opens an output that is redrawn at most five times a second. */
export function openLiveOutput(): Redraw | undefined {
  const output = openOutput();
  if (!output) return undefined;
  let next = -Infinity;
  return async (bundle, now = false) => {
    if (!now && performance.now() < next) return;
    next = performance.now() + 200;
    await output(bundle());
  };
}
