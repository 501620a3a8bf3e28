import type { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";
import { writePng } from "./png.ts";

/** The only font, from an npm package, so that a machine without fonts draws the same picture. */
export const font = createRequire(import.meta.url).resolve(
  "@expo-google-fonts/open-sans/400Regular/OpenSans_400Regular.ttf",
);

/** Draws an SVG as a PNG, in `scale` pixels for each of its own. */
export function drawSvg(
  svg: string,
  scale: number,
): { png: Buffer; width: number; height: number } {
  const image = new Resvg(svg, {
    fitTo: { mode: "zoom", value: scale },
    imageRendering: 1, // a heatmap is an image of one pixel a cell, to be enlarged without blur
    font: { fontFiles: [font], loadSystemFonts: false, defaultFontFamily: "Open Sans" },
  }).render();
  const { pixels, width, height } = image;
  return { png: writePng(pixels, width, height) ?? image.asPng(), width, height };
}
