import type { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import { type RenderedImage, Resvg } from "@resvg/resvg-js";
import { palettePng } from "./png.ts";

/** The only font, from an npm package, so that a machine without fonts draws the same picture. */
export const font = createRequire(import.meta.url).resolve(
  "@expo-google-fonts/open-sans/400Regular/OpenSans_400Regular.ttf",
);

/** Renders an SVG in `scale` pixels for each of its own. */
export function render(svg: string, scale: number): RenderedImage {
  return new Resvg(svg, {
    fitTo: { mode: "zoom", value: scale },
    imageRendering: 1, // a heatmap is an image of one pixel a cell, to be enlarged without blur
    font: { fontFiles: [font], loadSystemFonts: false, defaultFontFamily: "Open Sans" },
  }).render();
}

/** Draws what `showDrawing` shows where there is no SVG. */
export function drawSvg(
  svg: string,
  scale: number,
): { png: Buffer; width: number; height: number } {
  const image = render(svg, scale);
  const { pixels, width, height } = image;
  return { png: palettePng(pixels, width, height) ?? image.asPng(), width, height };
}
