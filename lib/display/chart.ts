import type { Chart } from "./charts.ts";
import { show } from "./output.ts";

/**
 * Shows a chart: interactive in the HTML report and in JupyterLab, once the pointer is over it; a
 * picture elsewhere (GitHub); its description in logs.
 *
 * @param chart The chart to show.
 *
 * @example
 * ```ts
 * import { showChart } from "lightweight-finetuning";
 * await showChart({ data: [{ x: [1, 2], y: [3, 4] }], layout: { title: { text: "A line" } } });
 * ```
 */
export async function showChart({ data, layout, alt = "Chart" }: Chart): Promise<void> {
  const { drawPng } = await import("./picture.ts"); // half a second to load
  // At scale 1, as JupyterLab's Plotly extension shows the picture in its own size, however wide.
  const png = await drawPng({ data, layout }, 1);
  await show({
    "application/vnd.plotly.v1+json": { data, layout },
    "image/png": png.toString("base64"),
    "text/plain": alt,
  });
}
