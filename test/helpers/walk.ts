/** The files of a folder and of those in it whose names end so, in the order of their paths. */
export function walk(folder: URL, end: string): URL[] {
  const entries = [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1);
  return entries.flatMap(({ name, isDirectory }) =>
    isDirectory
      ? walk(new URL(`${name}/`, folder), end)
      : name.endsWith(end)
      ? [new URL(name, folder)]
      : []
  );
}
