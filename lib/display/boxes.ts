import { createCanvas, DOMMatrix } from "@napi-rs/canvas";

/** The parts of an SVG element that are read. */
export interface SvgElement {
  tagName: string;
  textContent: string;
  parentElement: SvgElement | null;
  style: { fontSize: string; textAnchor: string };
  getAttribute(name: string): string | null;
  querySelectorAll(selector: string): Iterable<SvgElement>;
}

const pen = createCanvas(1, 1).getContext("2d");

/**
 * The bounding box of all text in an SVG element, on the page: what `getBoundingClientRect` returns
 * in a browser. Shapes are ignored, as Plotly measures only text.
 */
export function textBox(element: SvgElement) {
  const texts = element.tagName === "text" ? [element] : [...element.querySelectorAll("text")];
  const points = texts.flatMap(corners);
  if (points.length === 0) points.push({ x: 0, y: 0 });
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  return { x: left, y: top, left, right, top, bottom, width: right - left, height: bottom - top };
}

function corners(text: SvgElement): { x: number; y: number }[] {
  const size = parseFloat(text.style.fontSize) || 12;
  pen.font = `${size}px "Open Sans"`;
  const spans = [...text.querySelectorAll("tspan.line")];
  const lines = spans.length > 0 ? spans : [text];
  const width = Math.max(...lines.map((line) => pen.measureText(line.textContent).width));
  if (width === 0) return [];
  const anchor = text.getAttribute("text-anchor") ?? text.style.textAnchor;
  const before = anchor === "middle" ? width / 2 : anchor === "end" ? width : 0;
  const x = Number(text.getAttribute("x")) - before;
  const y = Number(text.getAttribute("y")) - size;
  const bottom = y + 1.3 * size * lines.length; // Plotly's own distance between lines
  const matrix = matrixToPage(text);
  return [{ x, y }, { x: x + width, y }, { x, y: bottom }, { x: x + width, y: bottom }]
    .map((point) => matrix.transformPoint(point));
}

function matrixToPage(element: SvgElement): DOMMatrix {
  let matrix = element.parentElement ? matrixToPage(element.parentElement) : new DOMMatrix();
  const list = element.getAttribute("transform") ?? "";
  for (const [, name, numbers] of list.matchAll(/(\w+)\(([^)]*)\)/g)) {
    const [a = 0, b = 0, c = 0] = numbers!.split(/[\s,]+/).map(Number);
    if (name === "translate") matrix = matrix.translate(a, b);
    if (name === "rotate") matrix = matrix.translate(b, c).rotate(a).translate(-b, -c);
  }
  return matrix;
}
