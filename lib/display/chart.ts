import type { Buffer } from "node:buffer";
import { type Chart, styled } from "./figure.ts";
import { show } from "./output.ts";

/**
 * Shows a chart, in the library's style where its layout names no other: interactive in the HTML report
 * and in JupyterLab, once the pointer is over it; a picture elsewhere (GitHub); its description in logs.
 *
 * @param chart The chart to show.
 *
 * @example
 * ```ts
 * import { showChart } from "lightweight-finetuning";
 * await showChart({ data: [{ x: [1, 2], y: [3, 4] }], layout: { title: { text: "A line" } } });
 * ```
 */
export async function showChart(chart: Chart): Promise<void> {
  // At scale 1, as JupyterLab's Plotly extension shows the picture in its own size, however wide.
  const png = await drawPng(chart, 1);
  await show({
    "application/vnd.plotly.v1+json": styled(chart),
    "image/png": png.toString("base64"),
    "text/plain": chart.alt ?? "Chart",
  });
}

/**
 * Draws a Plotly chart as a PNG, without a browser, in the layout's size or 700 by 400.
 *
 * @param chart The chart; it is not changed.
 * @param scale Pixels of the picture for each pixel of the layout. @default {1}
 * @returns The bytes of a PNG file.
 *
 * @example
 * ```ts
 * import { confusionChart, drawPng } from "lightweight-finetuning/display";
 * const png = await drawPng(confusionChart([[9, 1], [2, 8]], ["bad", "good"], "Reviews"), 2);
 * console.log(png.length);
 * ```
 */
export async function drawPng(chart: Chart, scale = 1): Promise<Buffer> {
  // Half a second to load, and jsdom must not be in a program's own graph: loading it there at a first start (no cache
  // yet) can wait for ever in Deno 2.9.8.
  const { drawPicture } = await import("./picture.ts");
  return await drawPicture(styled(chart), scale);
}
