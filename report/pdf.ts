import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { writeFile } from "../lib/files.ts";

/**
 * Writes a report as one PDF, report.pdf beside its pages: each page begins a new sheet, and a link between
 * them leads to its place.
 *
 * @param index Path of the report's index.html.
 * @param pages Paths of the pages behind it, in reading order.
 * @param browser The program of a Chromium.
 * @returns The PDF's path.
 * @throws {Error} When a page cannot be read, or the browser does not start.
 */
export async function writePdf(index: string, pages: string[], browser: string): Promise<string> {
  const files = [index, ...pages];
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8")));
  const articles = texts.map((text, i) =>
    `<article id="${idOf(files[i]!)}">${mainOf(text)}</article>`
  );
  const whole = files.reduce(
    (html, file) =>
      html.replaceAll(`href="${encodeURIComponent(basename(file))}"`, `href="#${idOf(file)}"`),
    articles.join("\n"),
  );
  const path = join(index, "../report.pdf");
  const program = await chromium.launch({ executablePath: browser }).catch((cause) => {
    throw new Error(
      `Cannot write the PDF as CHROMIUM must be a browser that starts: current value is ${browser}. ` +
        `The report is there without it (${cause.message.split("\n")[0]})`,
      { cause },
    );
  });
  try {
    const page = await program.newPage();
    await page.goto(pathToFileURL(index).href);
    await page.setContent(texts[0]!.replace(mainOf(texts[0]!), () => whole));
    const drawn = page.waitForSelector("figure.chart:not(.printable)", { state: "detached" });
    await drawn.catch(() => {}); // a chart that Plotly cannot draw stays the picture that it is
    await writeFile(path, await page.pdf({ format: "A4", tagged: true, outline: true }));
  } finally {
    await program.close();
  }
  return path;
}

const idOf = (file: string) => `page-${encodeURIComponent(basename(file, ".html"))}`;

/** What a page says, without its head and the links around it. */
const mainOf = (html: string) =>
  html.slice(html.indexOf("<main>") + "<main>".length, html.lastIndexOf("</main>"));
