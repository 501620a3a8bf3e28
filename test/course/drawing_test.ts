import assert from "node:assert/strict";
import { JSDOM } from "jsdom";
import { loraDrawing } from "course";
import { inJupyter } from "../helpers/jupyter.ts";
import { showDrawing } from "lightweight-finetuning/display";

const SIZES = { inputs: 384, outputs: 1536, r: 8, loraAlpha: 16 };

const parsed = (svg: string) => new JSDOM(svg, { contentType: "image/svg+xml" }).window.document;

/** The contrast of two colours by WCAG 2.2. */
function contrast(...colours: [string, string]): number {
  const [dark, light] = colours.map((colour) => {
    const [r, g, b] = colour.match(/\w\w/g)!.map((hex) => parseInt(hex, 16) / 255)
      .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
  }).sort((a, b) => a - b);
  return (light! + 0.05) / (dark! + 0.05);
}

Deno.test("the drawing of LoRA has the sizes of its matrices, in words too", () => {
  const { svg, alt } = loraDrawing(SIZES);
  const document = parsed(svg);
  const texts = Array.from(document.querySelectorAll("text"), ({ textContent }) => textContent);
  for (
    const text of [
      ...["y = W x + (α / r) · B A x", "1536 × 384", "8 × 384", "1536 × 8", "8", "16 / 8 = 2"],
      ...["frozen", "trained", "frozen: 589,824 weights", "trained: 15,360 weights, 2.6 % as many"],
    ]
  ) assert.ok(texts.includes(text), text);
  assert.equal(document.querySelector("desc")!.textContent, alt);
  for (const size of ["W (1536 × 384)", "A (8 × 384)", "B (1536 × 8)", "16 / 8 = 2"]) {
    assert.ok(alt.includes(size), size);
  }
});

Deno.test("every text of the drawing can be read on its ground, and lies within it", () => {
  const document = parsed(loraDrawing({ ...SIZES, inputs: 16384, r: 512, loraAlpha: 33 }).svg);
  for (const text of document.querySelectorAll("text")) {
    const fills = [text, ...text.children].map((element) => element.getAttribute("fill")!);
    for (const fill of fills) assert.ok(contrast(fill, "#ffffff") >= 4.5, fill);
    const left = text.getAttribute("text-anchor") === "start" ? 0 : 0.5;
    const [x, width] = [Number(text.getAttribute("x")), 8.5 * text.textContent!.length];
    assert.ok(x - left * width > 8 && x + (1 - left) * width < 712, text.textContent!);
  }
});

Deno.test("the drawing's picture is small", async () => {
  const [message] = await inJupyter(() => showDrawing(loraDrawing(SIZES)));
  const { length } = atob(message!.content.data["image/png"]!);
  assert.ok(length > 10_000 && length < 40_000, `${length}`);
});
