import assert from "node:assert/strict";
import { createCanvas, loadImage } from "@napi-rs/canvas";
import { showChart } from "../../lib/display/chart.ts";
import {
  accuracyChart,
  type Chart,
  confusionChart,
  confusionCharts,
  lossChart,
} from "../../lib/display/mod.ts";
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

const all: [number, number, number, number] = [0, 0, 1, 1];

/** Counts the pixels near to a colour, in a part of the picture given as shares of its size. */
function count(
  { data, width, height }: Awaited<ReturnType<typeof pixels>>,
  colour: [number, number, number],
  [left, top, right, bottom] = all,
  tolerance = 24,
): number {
  let found = 0;
  for (let y = Math.floor(top! * height); y < bottom! * height; y++) {
    for (let x = Math.floor(left! * width); x < right! * width; x++) {
      const at = 4 * (y * width + x);
      if (colour.every((value, i) => Math.abs(data[at + i]! - value) < tolerance)) found++;
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

/** The row of a picture's lowest horizontal axis. */
function lowestAxis(picture: Awaited<ReturnType<typeof pixels>>): number {
  const { width, height } = picture;
  const grey = (y: number) =>
    count(picture, [153, 153, 153], [0, y / height, 1, (y + 0.5) / height]);
  return Array.from({ length: height }, (_, y) => y).findLast((y) => grey(y) > width / 3)!;
}

for (const width of [700, 360]) {
  Deno.test(`the loss chart's picture of ${width} pixels has every line, and its legend below`, async () => {
    const both = lossChart({ full: history(1), lora: history(2) });
    assert.deepEqual(
      both.data.map(({ name }) => name),
      ["full, training", "full, validation", "lora, training", "lora, validation"],
    );
    both.layout.width = width;
    const picture = await pixels(await drawPng(both, 2));
    assert.deepEqual([picture.width, picture.height], [2 * width, 920]);
    const axis = lowestAxis(picture) / picture.height;
    for (const colour of [blue, orange]) {
      const plot = count(picture, colour, [0, 0.1, 1, axis]);
      const legend = count(picture, colour, [0, axis + 0.1, 1, 1]);
      assert.ok(plot > 1000 && legend > 200, `${colour}: ${plot} in the plot, ${legend} below`);
      assert.equal(count(picture, colour, [0, axis + 0.01, 1, axis + 0.09]), 0, "ticks and title");
    }
    const texts = {
      title: count(picture, ink, [0, 0, 1, 0.12]),
      ticks: count(picture, ink, [0, axis + 0.005, 1, axis + 0.04]),
      axis: count(picture, ink, [0.2, axis + 0.05, 0.8, axis + 0.1]),
      legend: count(picture, ink, [0, axis + 0.1, 1, 1]),
    };
    for (const [name, found] of Object.entries(texts)) assert.ok(found > 100, `${name}: ${found}`);
    assert.equal(count(picture, ink, [0.97, 0, 1, 1]), 0, "the legend ends inside the picture");

    const without = lossChart({ full: history(1) });
    assert.equal(count(await pixels(await drawPng(without)), orange), 0);
  });
}

Deno.test("the accuracy chart's points are where its axis says, and as far apart as its figures", async () => {
  const chart = accuracyChart(
    { name: "A", accuracy: 0.2, low: 0.19, high: 0.21 },
    { name: "B", accuracy: 0.5, low: 0.49, high: 0.51 },
    { name: "C", accuracy: 0.6, low: 0.59, high: 0.61 },
  );
  const picture = await pixels(await drawPng(chart, 2));
  const middle = (colour: typeof blue) => {
    const columns = Array.from({ length: picture.width }, (_, x) => x).filter((x) =>
      count(picture, colour, [x / picture.width, 0, (x + 0.5) / picture.width, 1]) > 0
    );
    return (columns[0]! + columns.at(-1)!) / 2;
  };
  const [a, b, c] = [middle(blue), middle(orange), middle([0, 158, 115])];
  assert.ok(Math.abs((b - a) / (c - b) - 3) < 0.1, `${a}, ${b}, ${c}`);
  assert.ok(count(picture, ink, [0, 0, 1, 0.2]) > 100, "title");
  assert.ok(count(picture, ink, [0, 0.2, 0.08, 0.8]) > 50, "names");
  assert.ok(count(picture, ink, [0.1, 0.2, 1, 0.7]) > 300, "figures");
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

const NEWSGROUPS = [
  ...["alt.atheism", "comp.graphics", "comp.os.ms-windows.misc", "comp.sys.ibm.pc.hardware"],
  ...["comp.sys.mac.hardware", "comp.windows.x", "misc.forsale", "rec.autos", "rec.motorcycles"],
  ...["rec.sport.baseball", "rec.sport.hockey", "sci.crypt", "sci.electronics", "sci.med"],
  ...["sci.space", "soc.religion.christian", "talk.politics.guns", "talk.politics.mideast"],
  ...["talk.politics.misc", "talk.religion.misc"],
];

/** Of each label's 300 rows 3 are taken for the next label. */
const nearlyRight = (classes: number) =>
  Array.from(
    { length: classes },
    (_, i) =>
      Array.from({ length: classes }, (_, j) => i === j ? 297 : j === (i + 1) % classes ? 3 : 0),
  );

/** Counts the lines of dark text between two columns of a picture, three or more pixels apart. */
function linesOfText(picture: Awaited<ReturnType<typeof pixels>>, left: number, right: number) {
  const { width, height } = picture;
  const inked = Array.from(
    { length: height },
    (_, y) =>
      count(picture, ink, [left / width, y / height, right / width, (y + 0.5) / height], 120) > 0,
  );
  return inked.filter((here, y) => here && !inked.slice(Math.max(0, y - 3), y).includes(true))
    .length;
}

for (const classes of [12, 20, 50, 100]) {
  Deno.test(`a confusion chart of ${classes} classes shows each label and count, apart`, async () => {
    const labels = Array.from(
      { length: classes },
      (_, i) => NEWSGROUPS[i % 20]! + (i < 20 ? "" : i),
    );
    const chart = confusionChart(nearlyRight(classes), labels, "");
    const picture = await pixels(await drawPng(chart));
    const { width, height } = picture;
    assert.deepEqual([width, height], [chart.layout.width, chart.layout.height]);
    const hasBlue = (part: typeof all) => count(picture, blue, part) > 5;
    const left = Array.from({ length: width }, (_, x) => x)
      .find((x) => hasBlue([x / width, 0, (x + 0.5) / width, 1]))!;
    const bottom = Array.from({ length: height }, (_, y) => y)
      .findLast((y) => hasBlue([0, y / height, 1, (y + 0.5) / height]))!;
    const rows = { ...picture, height: bottom };
    assert.equal(linesOfText(rows, 24, left - 2), classes, "labels of the rows");
    assert.equal(linesOfText(rows, left + 2, width - 32), classes, "a dark count in each row");
    const edges = { top: [0, 0, 1, 0.001], left: [0, 0, 0.001, 1] };
    const ends = { right: [0.999, 0, 1, 1], bottom: [0, 0.999, 1, 1] };
    for (const [edge, part] of Object.entries({ ...edges, ...ends })) {
      assert.equal(count(picture, ink, part as typeof all, 80), 0, `nothing is cut at the ${edge}`);
    }
  });
}

Deno.test("a confusion chart grows with the labels and counts, and is as it was for a few", () => {
  const size = (classes: number, label = "label") => {
    const labels = Array.from({ length: classes }, () => label);
    const { width, height } = confusionChart(nearlyRight(classes), labels, "Confusion").layout;
    return [width!, height!];
  };
  for (const classes of [0, 1, 2, 4]) assert.deepEqual(size(classes), [480, 420]);
  for (let classes = 2; classes < 100; classes++) {
    const [[width, height], [nextWidth, nextHeight]] = [size(classes), size(classes + 1)];
    // From 31 classes on the letters are smaller.
    if (classes !== 30) assert.ok(nextWidth! >= width! && nextHeight! >= height!, `${classes}`);
  }
  assert.ok(size(4, "a long name of a label")[0]! > 520);
  assert.deepEqual(size(4, "x".repeat(31)), size(4, "x".repeat(3000)));
  const many = confusionChart([[1e6, 0], [0, 1]], ["a", "b"], "Confusion");
  assert.deepEqual([many.layout.width, many.layout.height], [480, 420]);
});

Deno.test("a confusion chart shortens long labels on its axes alone", () => {
  const long = `${"😀".repeat(20)}, and what is said of it${" at length".repeat(3)}`;
  const { data, layout, alt } = confusionChart([[9, 1], [0, 10]], [long, "b"], "Confusion");
  const { ticktext } = layout.xaxis as { ticktext: string[] };
  assert.deepEqual(ticktext, [`${"😀".repeat(18)}…h at length`, "b"]);
  assert.match(
    (data[0]!.hovertext as string[][])[0]![1]!,
    new RegExp(`^true ${long}, predicted b`),
  );
  assert.ok(alt!.includes(`: ${long} 9 1; b 0 10`));
});

Deno.test("a confusion chart of many classes leaves zeros blank, and says what is confused", () => {
  const matrix = nearlyRight(20);
  matrix[1] = Array(20).fill(0);
  const { data, alt } = confusionChart(matrix, NEWSGROUPS, "LoRA");
  const text = data[0]!.text as string[][];
  assert.deepEqual(text[0]!.slice(0, 3), [
    '<span style="color:white">297</span>',
    '<span style="color:black">3</span>',
    "",
  ]);
  assert.match((data[0]!.hovertext as string[][])[0]![2]!, /<br>0 rows, 0\.0% of the label$/);
  assert.ok(
    alt!.startsWith(
      "LoRA, right rows by true label, and the most frequent error: " +
        "alt.atheism 297 of 300, 3 as comp.graphics; comp.graphics 0 of 0; comp.os",
    ),
  );
  assert.ok(alt!.endsWith("; talk.religion.misc 297 of 300, 3 as alt.atheism"));
});

Deno.test("confusion charts of few classes are side by side, of many one below the other", async () => {
  const charted = (labels: string[]) =>
    confusionCharts({ "1": nearlyRight(labels.length), LoRA: nearlyRight(labels.length) }, labels);
  const few = charted(["World", "Sports", "Business", "Sci/Tech"]);
  const many = charted(NEWSGROUPS);
  const blueIn = async (chart: Chart, parts: (typeof all)[]) => {
    const picture = await pixels(await drawPng(chart));
    assert.deepEqual([picture.width, picture.height], [chart.layout.width, chart.layout.height]);
    return parts.map((part) => count(picture, blue, part));
  };
  const [left, right] = await blueIn(few, [[0, 0, 0.53, 1], [0.53, 0, 1, 1]]);
  const [upper, lower] = await blueIn(many, [[0, 0, 1, 0.49], [0, 0.49, 1, 1]]);
  for (const [one, other] of [[left!, right!], [upper!, lower!]] as const) {
    assert.ok(one > 3000 && Math.abs(one - other) < 0.05 * one, `${one}, ${other}`);
  }
  assert.ok(few.layout.width! <= 900 && few.layout.height! < many.layout.height! / 2);
  assert.match(few.alt!, /^1, rows by .*: World 297 3 0 0; .*\. LoRA, rows by/);
  const titles = few.layout.annotations as { text: string }[];
  assert.deepEqual(titles.map(({ text }) => text), ["1", "LoRA"]);
  assert.throws(() => confusionCharts({ LoRA: nearlyRight(2) }, NEWSGROUPS), RangeError);
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
  const shown = data["application/vnd.plotly.v1+json"] as Chart;
  const { template: _style, ...layout } = shown.layout;
  assert.deepEqual([shown.data, layout], [chart.data, chart.layout]);
  const { width, height } = await pixels(
    Uint8Array.from(atob(data["image/png"] as string), (c) => c.charCodeAt(0)),
  );
  assert.deepEqual([width, height], [700, 178]);
  assert.equal(data["text/plain"], "Accuracy: LoRA 0.9155 (0.9062 to 0.9240)");
});

Deno.test("a chart that names no style is drawn in the library's, and any other in its own", async () => {
  const bars = { type: "bar", x: ["a", "b"], y: [1, 2] };
  const title = { text: "Rows" };
  const plain = await pixels(await drawPng({ data: [bars], layout: { title } }));
  assert.ok(count(plain, blue) > 0.1 * plain.width * plain.height);
  assert.ok(count(plain, ink, [0, 0, 0.15, 0.12]) > 20, "the title is at the left");
  const own = { title: { ...title, x: 0.5, xanchor: "center" }, colorway: ["rgb(213, 94, 0)"] };
  const other = await pixels(await drawPng({ data: [bars], layout: own }));
  assert.deepEqual([count(other, blue), count(other, ink, [0, 0, 0.15, 0.12])], [0, 0]);
  assert.ok(count(other, orange) > 0.1 * other.width * other.height);
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
