import assert from "node:assert/strict";
import { createCanvas, loadImage } from "@napi-rs/canvas";
import { showDrawing } from "lightweight-finetuning/display";
import { inJupyter, type Message, printed } from "../helpers/jupyter.ts";

const svgOf = (inner: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20">${inner}</svg>`;

/** What showDrawing sends, and its picture's pixels. */
async function shown(svg: string) {
  const [message, ...others] = await inJupyter(() => showDrawing({ svg, alt: "A drawing" }));
  assert.equal(others.length, 0);
  const { data, metadata } = message!.content as Message["content"] & { metadata: object };
  const png = Uint8Array.from(atob(data["image/png"]!), (c) => c.charCodeAt(0));
  const image = await loadImage(png);
  const { width, height } = image;
  const pen = createCanvas(width, height).getContext("2d");
  pen.drawImage(image, 0, 0);
  const pixel = (x: number, y: number) => [...pen.getImageData(x, y, 1, 1).data];
  return { data, metadata, png, width, height, pixel };
}

Deno.test("showDrawing shows SVG, a PNG of twice its pixels in its own size, and words", async () => {
  const svg = svgOf('<rect width="20" height="20" fill="#ee7733"/>');
  const { data, metadata, width, height, pixel } = await shown(svg);
  assert.deepEqual(Object.keys(data), ["image/svg+xml", "image/png", "text/plain"]);
  assert.equal(data["image/svg+xml"], svg);
  assert.equal(data["text/plain"], "A drawing");
  assert.deepEqual(metadata, { "image/png": { width: 40, height: 20 } });
  assert.deepEqual([width, height], [80, 40]);
  assert.deepEqual(pixel(0, 0), [0xee, 0x77, 0x33, 255]);
  assert.deepEqual(pixel(39, 39), [0xee, 0x77, 0x33, 255]);
  assert.deepEqual(pixel(40, 0), [0, 0, 0, 0], "what is not drawn is transparent");
});

Deno.test("showDrawing keeps a colour that shines through", async () => {
  const { pixel } = await shown(
    svgOf('<rect width="40" height="20" fill="#ff0000" opacity="0.4"/>'),
  );
  const [red, green, blue, alpha] = pixel(10, 10);
  assert.ok(
    red! > 250 && green! < 5 && blue! < 5 && Math.abs(alpha! - 102) < 9,
    `${pixel(10, 10)}`,
  );
});

Deno.test("showDrawing draws more than 256 colours too", async () => {
  const stops = ["#f00", "#0f0", "#00f", "#ff0", "#0ff", "#f0f"]
    .map((colour, i) => `<stop offset="${i / 5}" stop-color="${colour}"/>`).join("");
  const { pixel, width } = await shown(
    '<svg xmlns="http://www.w3.org/2000/svg" width="400" height="400"><defs>' +
      `<linearGradient id="g">${stops}</linearGradient><linearGradient id="h" x2="0" y2="1">` +
      '<stop stop-color="#fff"/><stop offset="1" stop-color="#000"/></linearGradient></defs>' +
      '<rect width="400" height="400" fill="url(#g)"/>' +
      '<rect width="400" height="400" fill="url(#h)" opacity="0.5"/></svg>',
  );
  assert.equal(width, 800);
  assert.notDeepEqual(pixel(10, 400), pixel(14, 400), "not rounded");
});

Deno.test("showDrawing prints the words outside a notebook", async () => {
  assert.equal(await printed(() => showDrawing({ svg: svgOf(""), alt: "Nothing" })), "Nothing");
});
