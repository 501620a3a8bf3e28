import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { readMetrics } from "course";
import { escapeHtml } from "lightweight-finetuning/display";
import { indexPage, type Page } from "./index.ts";

const here = import.meta.dirname!;

/**
 * Turns executed notebooks into pages that need no network, with index.html in front of them.
 *
 * @param notebooks Paths of the executed notebooks, in reading order.
 * @param folder Where the pages go; created if it does not exist.
 * @param metricsFile Path of the run's metrics.json.
 * @returns The path of index.html.
 * @throws {Error} When metrics.json or a notebook cannot be read.
 *
 * @example
 * ```ts ignore
 * import { buildReport } from "./build.ts";
 * await buildReport(
 *   ["runs/quick/notebooks/01-load.ipynb"],
 *   "runs/quick/report",
 *   "runs/quick/metrics.json",
 * );
 * ```
 */
export async function buildReport(
  notebooks: string[],
  folder: string,
  metricsFile: string,
): Promise<string> {
  const metrics = await readMetrics(metricsFile);
  const pages = await Promise.all(notebooks.map(pageOf));
  await convertNotebooks(notebooks, folder);
  await Promise.all(pages.map((page, i) => addLinks(folder, page, pages[i - 1], pages[i + 1])));
  const template = (name: string) => readFile(join(here, "template", name), "utf8");
  const index = await indexPage(
    metrics,
    pages,
    await template("style.css"),
    await template("charts.js"),
  );
  const path = join(folder, "index.html");
  await writeFile(path, index);
  return path;
}

/** Reads a notebook's first heading and the first sentence below it. */
async function pageOf(notebook: string): Promise<Page> {
  const name = basename(notebook, ".ipynb");
  const { cells } = JSON.parse(await readFile(notebook, "utf8"));
  const first = cells.find((cell: { cell_type: string }) => cell.cell_type === "markdown");
  const text: string = [first?.source ?? ""].flat().join("");
  const title = text.match(/^# (.+)$/m)?.[1] ?? name;
  const paragraph = text.match(/^[^#\s].*(?:\n\S.*)*/m)?.[0].replace(/\s+/g, " ") ?? "";
  const sentence = paragraph.match(/^.*?[.!?](?=\s|$)/)?.[0] ?? paragraph;
  const plain = (markdown: string) =>
    markdown.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[*`]/g, "");
  return { file: `${name}.html`, title: plain(title), summary: plain(sentence) };
}

/**
 * Turns executed notebooks into pages without links between them, and writes the script that their charts need.
 *
 * @param notebooks Paths of the executed notebooks.
 * @param folder Where the pages go; created if it does not exist.
 * @throws {Error} When a notebook cannot be read.
 *
 * @example
 * ```ts ignore
 * import { convertNotebooks } from "./build.ts";
 * await convertNotebooks(["runs/quick/report/01-load.ipynb"], "runs/quick/report");
 * ```
 */
export async function convertNotebooks(notebooks: string[], folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const { success, stderr } = await new Deno.Command(join(here, "../.venv/bin/jupyter"), {
    args: [
      "nbconvert",
      "--to=html",
      `--TemplateExporter.extra_template_basedirs=${here}`,
      "--template=template",
      "--HTMLExporter.embed_images=True",
      `--output-dir=${folder}`,
      ...notebooks,
    ],
  }).output();
  if (!success) {
    throw new Error(`Cannot convert the notebooks: ${new TextDecoder().decode(stderr).trim()}`);
  }
  const plotly = createRequire(import.meta.url).resolve("plotly.js-dist-min");
  await copyFile(plotly, join(folder, "plotly.min.js"));
}

/** Fills the places that the template leaves for links, and names the page. */
async function addLinks(folder: string, page: Page, previous?: Page, next?: Page): Promise<void> {
  const link = (to: Page | undefined, text: string) =>
    to ? `<a href="${encodeURIComponent(to.file)}">${text}</a>` : "<span></span>";
  const links = `<nav>
${link(previous, `← ${escapeHtml(previous?.title ?? "")}`)}
<a href="index.html">Report</a>
${link(next, `${escapeHtml(next?.title ?? "")} →`)}
</nav>`;
  const path = join(folder, page.file);
  const html = await readFile(path, "utf8");
  await writeFile(
    path,
    html.replace(/<title>.*?<\/title>/, () => `<title>${escapeHtml(page.title)}</title>`)
      .replaceAll("<!-- links -->", () => links),
  );
}
