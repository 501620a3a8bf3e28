import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultSettings, type RunMetrics, type Settings } from "course";
import type { TrainResult } from "lightweight-finetuning";
import { buildReport } from "../../report/build.ts";
import { originalSection } from "../../report/original.ts";
import { chart, chartOutput, history, metrics, notebook } from "./small_report.ts";

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
    const outputs = [await chartOutput('Accuracy "a"')];
    const drawing = {
      output_type: "display_data",
      metadata: { "image/png": { width: 4, height: 4 } },
      data: { "image/svg+xml": "<svg/>", "image/png": "", "text/plain": "A <drawing>" },
    };
    const words =
      "# Load & look\n\nLoads the *data*\nand [looks](https://example.org). [On](02-train.ipynb).\n";
    await writeFile(path("01-load.ipynb"), notebook(words, outputs));
    await writeFile(path("02-train.ipynb"), notebook("# Train\n\nTrains it", [drawing]));
    await writeFile(path("metrics.json"), JSON.stringify(metrics));
    await mkdir(path("lora"));
    await writeFile(path("lora/history.json"), JSON.stringify(history));
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
        [...html.matchAll(/<nav aria-label="[^"]+">([^]*?)<\/nav>/g)].map(([, nav]) =>
          [...nav!.matchAll(/href="([^"]*)"/g)].map(([, address]) => address)
        );
      assert.deepEqual(links(load), Array(2).fill(["index.html", "02-train.html"]));
      assert.deepEqual(links(train), Array(2).fill(["01-load.html", "index.html"]));
      assert.match(load, /<a href="02-train\.html">On<\/a>/);
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
      assert.deepEqual(rows.slice(1, 5), [
        ["untouched", "0.2503", "–", "1.3857", "–", "–", "–"],
        ["LoRA on 4 bits", "0.9112", "–", "–", "888,581", "613 s", "17.3"],
        ["LoRA", "0.9155", "0.9062–0.9240", "0.3200", "888,580", "–", "–"],
        ["full fine-tuning", "0.9453", "–", "–", "–", "–", "–"],
      ]);
      assert.deepEqual(rows.slice(6, 8), [["profile", "sample"], ["data", "&#60;my&#62;.csv"]]);
      const charts = [...first.matchAll(/<script type="application\/json">([^]*?)<\/script>/g)]
        .map(([, json]) => JSON.parse(json!));
      assert.deepEqual(charts[0].layout.yaxis.ticktext, [
        "untouched",
        "LoRA on 4 bits",
        "LoRA",
        "full fine-tuning",
      ]);
      assert.deepEqual(
        charts[1].data.map(({ name, y }: { name: string; y: number[] }) => [name, y]),
        [
          ["LoRA, training", [0.5, 0.4, 0.3]],
          ["LoRA, validation", [0.4, 0.3, 0.2]],
        ],
      );
      assert.doesNotMatch(first, /the original/, "on data of one's own");
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

const onAgNews = (changed: Partial<Settings>, trained: TrainResult): RunMetrics => ({
  ...metrics,
  settings: { ...defaultSettings("seed"), ...changed },
  trainableParameters: { lora: 888_580, full: 124_648_708 },
  train: { lora: trained },
});
const wholeRun: TrainResult = {
  ...metrics.train.lora4bit!,
  trainSamplesPerSecond: 120_000 / 612.7,
};

Deno.test("a run on AG News stands beside the original's figures", () => {
  const html = originalSection(onAgNews({}, wholeRun), { lora: history });
  const rows = [...html.matchAll(/<tr>(.*?)<\/tr>/g)].slice(1).map(([, row]) =>
    [...row!.matchAll(/<td[^>]*>(.*?)<\/td>/g)].map(([, text]) => text)
  );
  assert.deepEqual(rows, [
    ["Test accuracy, untouched", "0.2503", "0.2503"],
    ["Test accuracy, LoRA", "0.9155", "0.9155"],
    ["Test accuracy, full fine-tuning", "0.9453", "0.9453"],
    ["Validation loss, LoRA", "0.3000 at step 5,000", "0.2872 at step 5,000"],
    ["Validation loss, full fine-tuning", "–", "0.1983 at step 5,000"],
    ["Training time, LoRA", "613 s", "1,555 s"],
    ["Training time, full fine-tuning", "–", "1,976 s"],
    ["Samples per second, LoRA", "195.85", "77.15"],
    ["Samples per second, full fine-tuning", "–", "60.72"],
    ["LoRA&#39;s samples per second by those of full fine-tuning", "–", "1.27"],
    ["Trained weights, LoRA", "888,580", "888,580"],
    ["All weights", "125,537,288", "125,537,288"],
    ["Share that is trained", "0.7078 %", "0.7078 %"],
  ]);
  assert.match(
    html,
    /<p>The run&#39;s settings are the original&#39;s\. Times and speeds depend on the machine/,
  );
});

Deno.test("a run on AG News says in what it differs from the original", () => {
  const changed = { model: "me/small", numTrainEpochs: 2, learningRate: 1e-3 };
  const half = { ...wholeRun, epoch: 2 };
  assert.match(
    originalSection(onAgNews(changed, half), {}),
    new RegExp(
      "The run differs from the original in the base model \\(me/small, not FacebookAI/roberta-base\\), " +
        "the number of training rows \\(60,000, not 120,000\\), the epochs \\(2, not 1\\), and " +
        "LoRA&#39;s learning rate \\(0\\.001, not 0\\.00002\\)\\. ",
    ),
  );
});
