import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSettings, type RunMetrics } from "course";
import { accuracyChart } from "../../lib/display/accuracy_charts.ts";
import { drawPng } from "../../lib/display/chart.ts";
import { buildReport } from "../../report/build.ts";

const chart = accuracyChart({ name: "a</script><b>", accuracy: 0.5, low: 0.4, high: 0.6 });

function notebook(text: string, outputs: unknown[] = []): string {
  const metadata = {};
  const code = { cell_type: "code", id: "b", metadata, source: "await showChart(chart);" };
  return JSON.stringify({
    cells: [
      { cell_type: "markdown", id: "a", metadata, source: text.split(/(?<=\n)/) },
      { ...code, execution_count: 1, outputs },
    ],
    metadata: { kernelspec: { name: "deno", display_name: "Deno", language: "typescript" } },
    nbformat: 4,
    nbformat_minor: 5,
  });
}

const training = { trainRuntime: 612.7, trainSamplesPerSecond: 17.29, trainStepsPerSecond: 1.08 };
const metrics: RunMetrics = {
  profile: "quick <1>",
  device: "2 <b>CPU\u001b</b> cores",
  date: "2001-02-03",
  model: "me/base",
  settings: { ...defaultSettings("sample"), data: "<my>.csv" },
  testRows: 3800,
  accuracy: { base: 0.2503, lora4bit: 0.9112, lora: 0.9155, full: 0.9453 },
  loss: {},
  intervals: { lora: [0.9062, 0.924] },
  trainableParameters: { lora4bit: 888581, lora: 888580 },
  train: {
    lora4bit: { ...training, totalFlos: 0, trainLoss: 0.3, epoch: 1, step: 7500, stopped: false },
  },
};

/** What a browser would fetch by itself to show a page; links that a reader follows are none. */
function resources(html: string): string[] {
  const inTags = [
    ...html.matchAll(/<(?!a\b)[a-z]+\s[^>]*?\b(?:src|href|data)\s*=\s*["']?([^"'\s>]+)/g),
  ];
  const inStyles = [...html.matchAll(/(?:@import\s+|url\()\s*["']?([^"')\s;]+)/g)];
  const inScripts = [...html.matchAll(/\.src = "([^"]*)"/g)];
  return [...inTags, ...inStyles, ...inScripts].map(([, address]) => address!)
    .filter((address) => !/^data:image\/(png|svg\+xml);base64,/.test(address));
}

Deno.test("buildReport makes pages that need no network", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "report-"));
  const path = (name: string) => join(folder, name);
  try {
    const outputs = [{
      output_type: "display_data",
      metadata: {},
      data: {
        "application/vnd.plotly.v1+json": { data: chart.data, layout: chart.layout },
        "image/png": (await drawPng(chart)).toString("base64"),
        "text/plain": 'Accuracy "a"',
      },
    }];
    const drawing = {
      output_type: "display_data",
      metadata: { "image/png": { width: 4, height: 4 } },
      data: { "image/svg+xml": "<svg/>", "image/png": "", "text/plain": "A <drawing>" },
    };
    const words = "# Load & look\n\nLoads the *data*\nand [looks](https://example.org). More.\n";
    await writeFile(path("01-load.ipynb"), notebook(words, outputs));
    await writeFile(path("02-train.ipynb"), notebook("# Train\n\nTrains it", [drawing]));
    await writeFile(path("metrics.json"), JSON.stringify(metrics));
    const notebooks = [path("01-load.ipynb"), path("02-train.ipynb")];
    const index = await buildReport(notebooks, path("report"), path("metrics.json"));
    assert.equal(index, path("report/index.html"));
    const page = (name: string) => readFile(path(`report/${name}`), "utf8");
    const [load, train, first] = [
      await page("01-load.html"),
      await page("02-train.html"),
      await page("index.html"),
    ];

    await t.step("nothing is fetched but plotly.min.js, which lies beside the pages", async () => {
      for (const html of [load, train, first]) {
        assert.deepEqual([...new Set(resources(html))], ["plotly.min.js"]);
      }
      assert.ok((await stat(path("report/plotly.min.js"))).size > 1e6);
    });

    await t.step("a chart keeps its data, its picture and its words", () => {
      const [, json] = load.match(/<script type="application\/json">([^]*?)<\/script>/)!;
      assert.deepEqual(JSON.parse(json!), { data: chart.data, layout: chart.layout });
      const picture = outputs[0]!.data["image/png"];
      const [image] = load.match(/<img [^>]*>/)!;
      assert.ok(image.includes(`src="data:image/png;base64,${picture}"`));
      assert.ok(
        /alt=(?:"Accuracy (?:&quot;|&#34;)a(?:&quot;|&#34;)"|'Accuracy "a"')/.test(image),
        image.slice(-200),
      );
      assert.doesNotMatch(train, /application\/json/);
    });

    await t.step("a drawing keeps its lines and its words", () => {
      const [image] = train.match(/<img [^>]*>/)!;
      assert.ok(image.includes(`src="data:image/svg+xml;base64,${btoa("<svg/>")}"`), image);
      assert.ok(/alt="A (&lt;|&#60;)drawing(&gt;|&#62;)"/.test(image), image);
    });

    await t.step("pages link to each other", () => {
      const links = (html: string) =>
        [...html.matchAll(/<nav>([^]*?)<\/nav>/g)].map(([, nav]) =>
          [...nav!.matchAll(/href="([^"]*)"/g)].map(([, address]) => address)
        );
      assert.deepEqual(links(load), Array(2).fill(["index.html", "02-train.html"]));
      assert.deepEqual(links(train), Array(2).fill(["01-load.html", "index.html"]));
      assert.match(load, /<title>Load &#38; look<\/title>/);
    });

    await t.step("the index has the figures, and a line on each notebook", () => {
      assert.match(first, /<h1>Fine-tuning report: quick &#60;1&#62;<\/h1>/);
      assert.match(
        first,
        /<p>Data: &#60;my&#62;\.csv<br>\nModel: me\/base<br>\nMachine: 2 &#60;b&#62;CPU\\u001b&#60;\/b&#62; cores<br>/,
      );
      const rows = [...first.matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row]) =>
        [...row!.matchAll(/<td[^>]*>(.*?)<\/td>/g)].map(([, text]) => text)
      );
      assert.deepEqual(rows.slice(1), [
        ["untouched", "0.2503", "", "", "", ""],
        ["LoRA on 4 bits", "0.9112", "", "888,581", "613 s", "17.3"],
        ["LoRA", "0.9155", "0.9062–0.9240", "888,580", "", ""],
        ["full fine-tuning", "0.9453", "", "", "", ""],
      ]);
      const [, json] = first.match(/<script type="application\/json">([^]*?)<\/script>/)!;
      assert.deepEqual(JSON.parse(json!).layout.yaxis.ticktext, [
        "untouched",
        "LoRA on 4 bits",
        "LoRA",
        "full fine-tuning",
      ]);
      assert.match(
        first,
        /<dt><a href="01-load\.html">Load &#38; look<\/a><\/dt><dd>Loads the data and looks\.<\/dd>/,
      );
      assert.match(first, /<dt><a href="02-train\.html">Train<\/a><\/dt><dd>Trains it<\/dd>/);
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

Deno.test("buildReport says what nbconvert could not read", async () => {
  const folder = await mkdtemp(join(tmpdir(), "report-"));
  const path = (name: string) => join(folder, name);
  try {
    await writeFile(path("metrics.json"), JSON.stringify(metrics));
    await writeFile(
      path("broken.ipynb"),
      JSON.stringify({ cells: [{ cell_type: "code" }], nbformat: 4 }),
    );
    await assert.rejects(
      buildReport([path("broken.ipynb")], path("report"), path("metrics.json")),
      /Cannot convert the notebooks: [^]*broken\.ipynb/,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
