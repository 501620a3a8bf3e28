import { show } from "./output.ts";

/** A drawing, and what stands in its place where there are no pictures. */
export interface Drawing {
  /** An SVG document, its width and height in pixels. */
  svg: string;
  /** The drawing in words. */
  alt: string;
}

/**
 * Shows a drawing: as SVG in JupyterLab and in the HTML report, as a PNG of twice its pixels where a front end takes no
 * SVG, and in words in a log.
 *
 * @param drawing The drawing to show. In the PNG, all text is in Open Sans.
 *
 * @example
 * ```ts
 * import { showDrawing } from "lightweight-finetuning/display";
 * const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="4"/></svg>';
 * await showDrawing({ svg, alt: "A circle" });
 * ```
 */
export async function showDrawing({ svg, alt }: Drawing): Promise<void> {
  const { drawSvg } = await import("./svg.ts"); // native code, which an import of the library must not load
  const { png, width, height } = drawSvg(svg, 2);
  await show({
    "image/svg+xml": svg,
    "image/png": png.toString("base64"),
    "text/plain": alt,
  }, { "image/png": { width: width / 2, height: height / 2 } });
}
