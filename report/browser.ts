/** The program of a Chromium: the one that CHROMIUM names, or the first on PATH; undefined where there is none. */
export function findBrowser(): string | undefined {
  const named = Deno.env.get("CHROMIUM");
  if (named) return named;
  const names = ["chromium", "chromium-browser", "google-chrome"];
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return folders.flatMap((folder) => names.map((name) => `${folder}/${name}`)).find((file) => {
    try {
      return Deno.statSync(file).isFile;
    } catch {
      return false;
    }
  });
}
