/**
 * Begins to measure this process's memory: what the function returns is the most that it has had in its RAM since, in
 * bytes; undefined where the system does not tell (it does on Linux, in proc(5)).
 */
export async function watchMemory(): Promise<() => Promise<number | undefined>> {
  const isReset = await Deno.writeTextFile("/proc/self/clear_refs", "5").then(
    () => true,
    () => false,
  );
  return async () => {
    if (!isReset) return undefined;
    const status = await Deno.readTextFile("/proc/self/status");
    const kilobytes = status.match(/^VmHWM:\s+(\d+) kB$/m)?.[1];
    return kilobytes ? Number(kilobytes) * 1024 : undefined;
  };
}
