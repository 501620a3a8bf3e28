import type { Buffer } from "node:buffer";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { type Canvas, createCanvas, GlobalFonts } from "@napi-rs/canvas";
import { Resvg } from "@resvg/resvg-js";
import { JSDOM } from "jsdom";
import { type SvgElement, textBox } from "./boxes.ts";
import type { Chart } from "./figure.ts";
import { writePng } from "./png.ts";

// The only font comes from an npm package, so that a machine without fonts draws the same picture.
const require = createRequire(import.meta.url);
const font = require.resolve("@expo-google-fonts/open-sans/400Regular/OpenSans_400Regular.ttf");

/** Draws what `drawPng` promises. */
export async function drawPicture({ data, layout }: Chart, scale: number): Promise<Buffer> {
  const { Plotly, document } = await (page ??= openPage());
  const element = document.createElement("div");
  document.body.append(element);
  // A copy, as Plotly writes into what it is given.
  const chart = structuredClone({ data, layout: { width: 700, height: 400, ...layout } });
  await Plotly.newPlot(element, chart.data, chart.layout, { staticPlot: true });
  const svg: string = await Plotly.Snapshot.toSVG(element, "svg");
  Plotly.purge(element);
  element.remove();
  const picture = new Resvg(svg, {
    fitTo: { mode: "zoom", value: scale },
    imageRendering: 1, // a heatmap is an image of one pixel a cell, to be enlarged without blur
    font: { fontFiles: [font], loadSystemFonts: false, defaultFontFamily: "Open Sans" },
  }).render();
  const { pixels, width, height } = picture;
  return writePng(pixels, width, height) ?? picture.asPng();
}

// deno-lint-ignore no-explicit-any
type Page = any;

let page: Promise<Page> | undefined;

/** Opens a jsdom window with plotly.js and what jsdom lacks: a canvas and the sizes of text. */
async function openPage(): Promise<Page> {
  GlobalFonts.registerFromPath(font, "Open Sans");
  const { window } = new JSDOM("", { runScripts: "outside-only" });
  const { Element, HTMLCanvasElement, SVGElement } = window;

  Element.prototype.getBoundingClientRect = function () {
    return textBox(this);
  };

  const canvasOf = (element: Page): Canvas =>
    element.napiCanvas ??= createCanvas(element.width, element.height);
  HTMLCanvasElement.prototype.getContext = function () {
    return canvasOf(this).getContext("2d");
  };
  HTMLCanvasElement.prototype.toDataURL = function () {
    return canvasOf(this).toDataURL("image/png");
  };

  // Plotly asks for points along the arrows of annotations, which are straight.
  const lineOf = (path: SvgElement) => {
    const numbers = path.getAttribute("d")?.match(/-?[\d.]+/g)?.map(Number) ?? [];
    const [x = 0, y = 0] = numbers;
    const [toX = 0, toY = 0] = numbers.slice(-2);
    return { x, y, dx: toX - x, dy: toY - y, length: Math.hypot(toX - x, toY - y) };
  };
  SVGElement.prototype.getTotalLength = function () {
    return lineOf(this).length;
  };
  SVGElement.prototype.getPointAtLength = function (at: number) {
    const { x, y, dx, dy, length } = lineOf(this);
    return { x: x + dx * at / length, y: y + dy * at / length };
  };

  window.URL.createObjectURL = () => "";
  window.eval(await readFile(require.resolve("plotly.js-dist-min"), "utf8"));
  return window;
}
