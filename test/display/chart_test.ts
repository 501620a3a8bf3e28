import assert from "node:assert/strict";
import { createCanvas, loadImage } from "@napi-rs/canvas";
import { showChart } from "../../lib/display/chart.ts";
import { accuracyChart, type Chart, confusionChart, lossChart } from "../../lib/display/charts.ts";
import { drawPng } from "../../lib/display/chart.ts";
import { inJupyter } from "../helpers/jupyter.ts";

/** A picture's pixels. */
async function pixels(png: Uint8Array) {
  const image = await loadImage(png);
  const pen = createCanvas(image.width, image.height).getContext("2d");
  pen.drawImage(image, 0, 0);
  const { data, width, height } = pen.getImageData(0, 0, image.width, image.height);
  return { data, width, height };
}

/** Counts the pixels near to a colour, in a part of the picture given as shares of its size. */
function count(
  { data, width, height }: Awaited<ReturnType<typeof pixels>>,
  colour: [number, number, number],
  [left, top, right, bottom] = [0, 0, 1, 1],
): number {
  let found = 0;
  for (let y = Math.floor(top! * height); y < bottom! * height; y++) {
    for (let x = Math.floor(left! * width); x < right! * width; x++) {
      const at = 4 * (y * width + x);
      if (colour.every((value, i) => Math.abs(data[at + i]! - value) < 24)) found++;
    }
  }
  return found;
}

const blue: [number, number, number] = [0, 114, 178];
const orange: [number, number, number] = [213, 94, 0];
const ink: [number, number, number] = [51, 51, 51];

const history = (start: number) =>
  Array.from({ length: 10 }, (_, i) => ({
    step: 10 * (i + 1),
    epoch: i / 10,
    loss: start / (i + 1),
    ...(i % 2 === 1 && { evalLoss: start / i }),
    learningRate: 1e-4,
    gradNorm: 1,
  }));

Deno.test("the loss chart's picture has every line, its title, ticks and legend", async () => {
  const both = lossChart({ full: history(1), lora: history(2) });
  assert.deepEqual(
    both.data.map(({ name }) => name),
    ["full, training", "full, validation", "lora, training", "lora, validation"],
  );
  const picture = await pixels(await drawPng(both, 2));
  assert.deepEqual([picture.width, picture.height], [1400, 800]);
  for (const colour of [blue, orange]) {
    const plot = count(picture, colour, [0.1, 0.15, 0.7, 0.85]);
    const legend = count(picture, colour, [0.7, 0.15, 1, 0.5]);
    assert.ok(
      plot > 1000 && legend > 200,
      `${colour}: ${plot} in the plot, ${legend} in the legend`,
    );
  }
  const texts = {
    title: count(picture, ink, [0, 0, 1, 0.14]),
    legend: count(picture, ink, [0.75, 0.15, 1, 0.5]),
    ticks: count(picture, ink, [0.1, 0.86, 1, 0.92]),
    axis: count(picture, ink, [0.4, 0.92, 0.7, 1]),
  };
  for (const [name, found] of Object.entries(texts)) assert.ok(found > 100, `${name}: ${found}`);
  assert.equal(count(picture, ink, [0.97, 0, 1, 1]), 0, "the legend ends inside the picture");

  const without = lossChart({ full: history(1) });
  assert.equal(count(await pixels(await drawPng(without)), orange), 0);
});

Deno.test("the accuracy chart's bars are as long as its figures", async () => {
  const bars = (low: number, high: number) =>
    accuracyChart(
      { name: "Untouched", accuracy: low, low, high: low + 0.02 },
      { name: "LoRA", accuracy: high, low: high - 0.02, high },
    );
  const area = async (chart: Chart) => count(await pixels(await drawPng(chart)), blue);
  const [small, large] = [await area(bars(0.25, 0.25)), await area(bars(0.25, 0.75))];
  assert.ok(Math.abs(large / small - 2) < 0.1, `${large} is not twice ${small}`);

  const picture = await pixels(await drawPng(bars(0.25, 0.75), 2));
  assert.ok(count(picture, ink, [0, 0, 1, 0.2]) > 100, "title");
  assert.ok(count(picture, ink, [0, 0.2, 0.12, 0.8]) > 100, "names");
  assert.ok(count(picture, ink, [0.7, 0.2, 1, 0.8]) > 100, "figures");
});

Deno.test("the confusion chart shades the counts of each true label", async () => {
  const chart = confusionChart([[9, 1], [0, 10]], ["World", "Sports"], "Confusion");
  const picture = await pixels(await drawPng(chart, 2));
  assert.deepEqual([picture.width, picture.height], [960, 840]);
  // The lower right cell is all of its row: a fifth of the picture in the full colour.
  assert.ok(count(picture, blue, [0.5, 0.5, 1, 1]) > 0.1 * 960 * 840);
  assert.equal(count(picture, blue, [0.1, 0.5, 0.5, 1]), 0);
  assert.ok(count(picture, ink, [0, 0.1, 0.18, 0.9]) > 100, "labels of the rows");
  assert.ok(count(picture, ink, [0.1, 0.88, 1, 1]) > 100, "labels of the columns");
  assert.ok(count(picture, [255, 255, 255], [0.6, 0.6, 0.9, 0.75]) > 20, "a count on dark ground");
});

Deno.test("a chart with an annotation's arrow and two lines of title is drawn", async () => {
  const chart: Chart = {
    data: [{ x: [1, 2, 3], y: [1, 2, 3], line: { color: "rgb(0, 114, 178)" } }],
    layout: {
      title: { text: "Above<br>Below" },
      annotations: [{ x: 2, y: 2, text: "here", arrowcolor: "rgb(213, 94, 0)" }],
    },
  };
  const before = structuredClone(chart);
  const picture = await pixels(await drawPng(chart));
  assert.ok(count(picture, orange) > 30);
  assert.deepEqual(chart, before);
});

Deno.test("showChart shows Plotly's data, a picture and words, and no HTML", async () => {
  const chart = accuracyChart({ name: "LoRA", accuracy: 0.9155, low: 0.9062, high: 0.924 });
  const [message, ...others] = await inJupyter(() => showChart(chart));
  assert.equal(others.length, 0);
  const data: Record<string, unknown> = message!.content.data;
  assert.deepEqual(Object.keys(data), [
    "application/vnd.plotly.v1+json",
    "image/png",
    "text/plain",
  ]);
  assert.deepEqual(data["application/vnd.plotly.v1+json"], {
    data: chart.data,
    layout: chart.layout,
  });
  const { width, height } = await pixels(
    Uint8Array.from(atob(data["image/png"] as string), (c) => c.charCodeAt(0)),
  );
  assert.deepEqual([width, height], [700, 160]);
  assert.equal(data["text/plain"], "Accuracy: LoRA 0.9155 (0.9062 to 0.9240)");
});

Deno.test("charts refuse figures that contradict each other", () => {
  assert.throws(
    () => accuracyChart({ name: "LoRA", accuracy: 0.9, low: 0.91, high: 0.92 }),
    /Cannot chart 'LoRA' as 'accuracy' must be between its 'low' and 'high': current value is 0\.9,/,
  );
  assert.throws(
    () => confusionChart([[1]], ["World", "Sports"], "Confusion"),
    /Cannot chart the matrix as 'labels' must have one name for each row \(1\) and column: current value is World,Spo/,
  );
});

const LABELS = ["<b>bold</b>", "$x^2$", "\u001b[31mred", "a\nb", "&amp;"];
const ESCAPED = [
  ...["&#60;b&#62;bold&#60;/b&#62;", "&#36;x^2&#36;", "\\u001b[31mred", "a\\nb", "&#38;amp;"],
];
const VISIBLE = ["<b>bold</b>", "$x^2$", "\\u001b[31mred", "a\\nb", "&amp;"];

Deno.test("charts hand labels to Plotly so that it draws them as they are, and say them in words", () => {
  const axes = ({ layout }: Chart) =>
    layout as { title: { text: string } } & Record<string, { ticktext?: string[] }>;
  for (const [i, label] of LABELS.entries()) {
    const confusion = confusionChart([[9, 1], [0, 10]], [label, "other"], label);
    assert.deepEqual(axes(confusion).xaxis!.ticktext, [ESCAPED[i], "other"]);
    assert.deepEqual(axes(confusion).yaxis!.ticktext, [ESCAPED[i], "other"]);
    assert.equal(axes(confusion).title.text, ESCAPED[i]);
    assert.deepEqual((confusion.data[0]!.hovertext as string[][])[0], [
      `true ${ESCAPED[i]}, predicted ${ESCAPED[i]}<br>9 rows, 90.0% of the label`,
      `true ${ESCAPED[i]}, predicted other<br>1 rows, 10.0% of the label`,
    ]);
    assert.equal(
      confusion.alt,
      `${VISIBLE[i]}, rows by true label, predicted as ${VISIBLE[i]}, other: ${
        VISIBLE[i]
      } 9 1; other 0 10`,
    );
    const accuracy = accuracyChart({ name: label, accuracy: 0.5, low: 0.4, high: 0.6 });
    assert.deepEqual(axes(accuracy).yaxis!.ticktext, [ESCAPED[i]]);
    assert.equal(accuracy.alt, `Accuracy: ${VISIBLE[i]} 0.5000 (0.4000 to 0.6000)`);
    const loss = lossChart({ [label]: history(1) });
    assert.equal(loss.data[0]!.name, `${ESCAPED[i]}, training`);
    assert.match(loss.alt!, /, validation /);
    assert.ok(loss.alt!.startsWith(`Loss by step: ${VISIBLE[i]}, training 1.0000 to`));
  }
});

Deno.test("pictures show labels that are tags or control characters", async () => {
  for (const label of ["<b></b>", "<a href='x'></a>", "\u001b\u0000", "$x$"]) {
    const chart = confusionChart([[9, 1], [0, 10]], [label, label], "Confusion");
    const picture = await pixels(await drawPng(chart, 2));
    for (const [i, [top, bottom]] of [[0.1, 0.45], [0.5, 0.8]].entries()) {
      const found = count(picture, ink, [0.1, top!, 0.24, bottom!]);
      assert.ok(found > 50, `${JSON.stringify(label)}, row ${i}: ${found}`);
    }
  }
});

Deno.test("charts keep names apart that are alike, or look like numbers", async () => {
  const inCells = async (...labels: string[]) =>
    count(await pixels(await drawPng(confusionChart([[9, 1], [0, 10]], labels, "C"), 2)), blue);
  const expected = await inCells("ab", "cd");
  for (const labels of [["ab", "ab"], ["1", "10"], ["01", "1"]]) {
    assert.ok(Math.abs(await inCells(...labels) / expected - 1) < 0.1, `${labels}`);
  }
  const bar = { accuracy: 0.5, low: 0.4, high: 0.6 };
  const area = async (...names: string[]) =>
    count(
      await pixels(await drawPng(accuracyChart(...names.map((name) => ({ name, ...bar }))))),
      blue,
    );
  const [alike, apart] = [await area("LoRA", "LoRA"), await area("LoRA", "Full")];
  assert.ok(Math.abs(alike / apart - 1) < 0.1, `${alike} is not ${apart}`);
});
