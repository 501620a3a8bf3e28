import { drawPng } from "./picture.ts";
import { show } from "./output.ts";

/** A Plotly figure: its traces and its layout, as plotly.js takes them. */
export interface Chart {
  data: Record<string, unknown>[];
  layout: Record<string, unknown> & { width?: number; height?: number };
  /** What the chart shows, in words: for who does not see it, and for logs. */
  alt?: string;
}

/**
 * Shows a chart: interactive in the HTML report and, once the mouse is over it, in JupyterLab; a
 * picture elsewhere (GitHub); its words in logs.
 *
 * @example
 * ```ts ignore
 * await showChart({ data: [{ x: [1, 2], y: [3, 4] }], layout: { title: { text: "A line" } } });
 * ```
 */
export async function showChart({ data, layout, alt = "Chart" }: Chart): Promise<void> {
  // Not sharper: JupyterLab's Plotly extension shows the picture's own size, however wide that is.
  const png = await drawPng({ data, layout }, 1);
  await show({
    "application/vnd.plotly.v1+json": { data, layout },
    "image/png": png.toString("base64"),
    "text/plain": alt,
  });
}
