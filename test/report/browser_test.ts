/// <reference lib="dom" />
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { NOTEBOOKS } from "course";
import { findBrowser } from "../../report/browser.ts";
import { buildReport } from "../../report/build.ts";
import { history, metrics, notebook, outputs, source } from "./small_report.ts";

const browserFile = findBrowser();
if (!browserFile) {
  console.log(
    "Tests of the report's pages ignored: no Chromium. Install it or set CHROMIUM to it.",
  );
}
const root = join(import.meta.dirname!, "../..");

const words = `# Everything

A text with \`code\` and [a link](https://example.org/${"long".repeat(40)}).

## A table

| one | two |
| --- | --- |
| ${"a".repeat(60)} | b |
`;

/** A run of five small notebooks, the first with an output of each kind. */
async function smallRun() {
  const runs = await mkdtemp(join(tmpdir(), "report-"));
  const folder = join(runs, "small");
  await Deno.mkdir(join(folder, "lora"), { recursive: true });
  await Deno.mkdir(join(folder, "report"));
  await writeFile(join(folder, "lora/history.json"), JSON.stringify(history));
  await writeFile(join(folder, "metrics.json"), JSON.stringify(metrics));
  for (const [i, name] of NOTEBOOKS.entries()) {
    await writeFile(
      join(folder, "report", `${name}.ipynb`),
      i === 0 ? notebook(words, await outputs(), source) : notebook(`# Page ${i + 1}\n\nText.`),
    );
  }
  return { runs, folder, [Symbol.asyncDispose]: () => rm(runs, { recursive: true }) };
}

const command = (runs: string, env: Record<string, string>) =>
  new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", join(root, "report/main.ts")],
    env: { RUNS: runs, RUN: "small", GIVEN: "", ...env },
  }).output().then(({ code, stdout, stderr }) => ({
    code,
    text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr),
  }));

Deno.test({ name: "the report's pages in a browser", ignore: !browserFile }, async (t) => {
  await using run = await smallRun();
  const notebooks = NOTEBOOKS.map((name) => join(run.folder, "report", `${name}.ipynb`));
  await buildReport(notebooks, join(run.folder, "report"), join(run.folder, "metrics.json"));
  const browser = await chromium.launch({ executablePath: browserFile! });
  const axe = await readFile(createRequire(import.meta.url).resolve("axe-core"), "utf8");

  async function open(file: string, options: BrowserContextOptions): Promise<Page> {
    const page = await browser.newPage(options);
    await page.goto(pathToFileURL(join(run.folder, "report", file)).href);
    const pending = page.locator("figure.chart:not(.printable)");
    while (await pending.count() > 0) await page.waitForTimeout(50);
    return page;
  }
  const desktop = { width: 1100, height: 800 };
  const phone = { width: 360, height: 740 };

  try {
    for (const file of ["index.html", "01-load.html"]) {
      for (const viewport of [desktop, phone]) {
        for (const colorScheme of ["light", "dark"] as const) {
          const name = `${file}, ${viewport.width} pixels wide, ${colorScheme}`;
          await t.step(`axe finds nothing: ${name}`, async () => {
            const page = await open(file, { viewport, colorScheme });
            await page.evaluate(axe);
            const { violations, passes } = await page.evaluate("axe.run()") as {
              violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
              passes: { id: string }[];
            };
            const found = violations.map(({ id, nodes }) =>
              `${id}: ${nodes.map((of) => `${of.html.slice(0, 200)} ${of.failureSummary}`)}`
            );
            assert.deepEqual(found, []);
            assert.ok(passes.some(({ id }) => id === "color-contrast"));
            const background = await page.evaluate(() =>
              getComputedStyle(document.body).backgroundColor
            );
            assert.equal(background === "rgb(255, 255, 255)", colorScheme === "light");
            await page.close();
          });
        }
      }
      await t.step(`nothing is wider than a phone but what scrolls: ${file}`, async () => {
        const page = await open(file, { viewport: phone });
        const { wide, boxes } = await page.evaluate(() => {
          const all = [...document.querySelectorAll("body *")];
          const boxes = all.filter((element) => element.getAttribute("role") === "region");
          const isFree = (element: Element) => !boxes.some((box) => box.contains(element));
          return {
            wide: all.filter(isFree).filter((element) =>
              element.getBoundingClientRect().right > innerWidth ||
              element.matches("pre") && element.scrollWidth > element.clientWidth
            ).map(({ outerHTML }) => outerHTML.slice(0, 100)),
            boxes: boxes.map((box) => [box.ariaLabel, (box as HTMLElement).tabIndex]),
          };
        });
        assert.deepEqual(wide, []);
        assert.ok(boxes.length > 0);
        assert.equal(boxes.some(([label]) => /^Output/.test(`${label}`)), file !== "index.html");
        for (const [label, tabIndex] of boxes) {
          assert.match(`${label}`, /^(Table|Output) \d+/);
          assert.equal(tabIndex, 0);
        }
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
        await page.close();
      });
    }

    await t.step("a chart that Plotly draws keeps its words", async () => {
      const page = await open("01-load.html", { viewport: desktop });
      const image = page.getByRole("img", { name: "Accuracy in words" });
      assert.equal(await image.count(), 1);
      assert.equal(await image.evaluate((element) => element.tagName), "svg");
      await page.setViewportSize(phone);
      assert.equal(await image.count(), 1);
      await page.close();
    });

    await t.step("on paper: light, wrapped, no table or chart cut", async () => {
      const page = await open("01-load.html", { viewport: desktop, colorScheme: "dark" });
      await page.emulateMedia({ media: "print", colorScheme: "dark" });
      const styles = await page.evaluate(() => {
        const of = (selector: string) => getComputedStyle(document.querySelector(selector)!);
        return {
          background: of("body").backgroundColor,
          breaks: ["figure", "table", "tr"].map((name) => of(name).breakInside),
          heading: of("h2").breakAfter,
          links: of("nav").display,
          charts: [of("figure > div").display, of("figure > img").display],
          code: of("pre").whiteSpace,
        };
      });
      assert.deepEqual(styles, {
        background: "rgb(255, 255, 255)",
        breaks: ["avoid", "avoid", "avoid"],
        heading: "avoid",
        links: "none",
        charts: ["none", "block"],
        code: "pre-wrap",
      });
      const picture = await page.evaluate(() => document.querySelector("img")!.src);
      assert.match(picture, /^data:image\/svg\+xml/);
      await page.close();
    });

    await t.step("make report: the pages, and a PDF with all of them in order", async () => {
      const { code, text } = await command(run.runs, { CHROMIUM: browserFile! });
      assert.equal(code, 0, text);
      const path = join(run.folder, "report/report.pdf");
      assert.equal(text, `report: ${run.folder}/report/index.html\nPDF: ${path}\n`);
      const pdf = await readFile(path, "latin1");
      const pages = pdf.match(/\/Type \/Page\b/g)!.length;
      assert.ok(pages > NOTEBOOKS.length, `${pages} pages`);
      assert.match(pdf, /\/Outlines/);
      const titles = [...pdf.matchAll(/\/Title \(?(.*?)\)?\n/g)].map(([, title]) => title!);
      const of = (text: string) => titles.findIndex((title) => title.startsWith(text));
      const order = ["Everything", "Page 2", "Page 3", "Page 4", "Page 5"].map(of);
      assert.ok(order.every((at) => at >= 0), titles.join(", "));
      assert.deepEqual(order, order.toSorted((a, b) => a - b), titles.join(", "));
    });
  } finally {
    await browser.close();
  }
});

Deno.test("make report without a browser or a run says what to do", async () => {
  await using run = await smallRun();
  const deno = { PATH: "", CHROMIUM: "" };
  const without = await command(run.runs, deno);
  assert.equal(without.code, 0, without.text);
  const index = join(run.folder, "report/index.html");
  assert.equal(
    without.text,
    `report: ${index}\nno PDF: install Chromium, or set CHROMIUM to its program\n`,
  );
  assert.match(await readFile(index, "utf8"), /<h1>Fine-tuning report/);
  const { code, text } = await command(run.runs, { ...deno, RUN: "other" });
  assert.equal(code, 1);
  assert.match(
    text,
    /^Cannot build the report as .*01-load\.ipynb must be .* Run 'make run' first.*\n$/,
  );
});
