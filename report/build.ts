import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { METHOD_KEYS, type MethodInfo, METHODS, readMetrics } from "course";
import { readHistory } from "lightweight-finetuning";
import { escapeHtml } from "lightweight-finetuning/display";
import { isFile } from "../lib/files.ts";
import { type Histories, indexPage, type Page } from "./index.ts";

const here = import.meta.dirname!;

/**
 * Turns executed notebooks into pages that need no network, with index.html in front of them.
 *
 * @param notebooks Paths of the executed notebooks, in reading order.
 * @param folder Where the pages go; created if it does not exist.
 * @param metricsFile Path of the run's metrics.json; the histories of its trainings are beside it.
 * @returns The path of index.html.
 * @throws {Error} When metrics.json, a history or a notebook cannot be read.
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
  await Promise.all(pages.keys().map((i) => addLinks(folder, pages, i)));
  const template = (name: string) => readFile(join(here, "template", name), "utf8");
  const index = await indexPage(
    metrics,
    await readHistories(dirname(metricsFile)),
    pages,
    await template("style.css"),
    await template("tables.js") + await template("charts.js"),
  );
  const path = join(folder, "index.html");
  await writeFile(path, index);
  return path;
}

async function readHistories(folder: string): Promise<Histories> {
  const found = await Promise.all(METHOD_KEYS.map(async (method) => {
    const path = join(folder, (METHODS[method] as MethodInfo).folder ?? "", "history.json");
    return await isFile(path) ? [[method, await readHistory(path)]] : [];
  }));
  return Object.fromEntries(found.flat());
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

/** Fills the places that the template leaves for links, names the page, and lets a link to a notebook lead to its page. */
async function addLinks(folder: string, pages: Page[], i: number): Promise<void> {
  const [previous, page, next] = [pages[i - 1], pages[i]!, pages[i + 1]];
  const link = (to: Page | undefined, text: string) =>
    to ? `<a href="${encodeURIComponent(to.file)}">${text}</a>` : "<span></span>";
  const links = `
${link(previous, `← ${escapeHtml(previous?.title ?? "")}`)}
<a href="index.html">Report</a>
${link(next, `${escapeHtml(next?.title ?? "")} →`)}
`;
  const path = join(folder, page.file);
  const html = await readFile(path, "utf8");
  const linked = html.replace(
    /<title>.*?<\/title>/,
    () => `<title>${escapeHtml(page.title)}</title>`,
  )
    .replaceAll("<!-- links -->", () => links);
  await writeFile(
    path,
    pages.map(({ file }) => encodeURIComponent(file)).reduce(
      (html, file) => html.replaceAll(`href="${file.replace(/html$/, "ipynb")}"`, `href="${file}"`),
      linked,
    ),
  );
}
