import type { Drawing } from "lightweight-finetuning/display";

/** The sizes in {@link loraDrawing}. */
export interface LoraSizes {
  /** Columns of W, the numbers that the layer takes. */
  inputs: number;
  /** Rows of W, the numbers that it gives. */
  outputs: number;
  /** Rank of the update. */
  r: number;
  /** The update is scaled by loraAlpha / r. */
  loraAlpha: number;
}

// It stands on light and on dark pages, so it has a ground of its own, to which each text has a contrast of at least 4.5 : 1.
const [GROUND, INK, LINE] = ["#ffffff", "#222222", "#556677"];

/** How the two kinds of weights are drawn, told apart by the pattern too. */
const KINDS = {
  frozen: { ink: "#335577", fill: "url(#lora-frozen)" },
  trained: { ink: "#aa3300", fill: "#ee7733" },
};

/** Pixels of the longest side, and the least of a thin one, which to scale would be a hairline. */
const [LONG, THIN] = [132, 14];

/**
 * Draws what LoRA computes in a linear layer, W x + (alpha / r) · B A x: x goes through the frozen W and, beside it,
 * through the trained A and B.
 *
 * @param sizes Sizes of the layer and of its adapter.
 * @returns The drawing, for `showDrawing`.
 *
 * @example
 * ```ts
 * import { loraDrawing } from "course";
 * import { showDrawing } from "lightweight-finetuning/display";
 * await showDrawing(loraDrawing({ inputs: 384, outputs: 384, r: 8, loraAlpha: 16 }));
 * ```
 */
export function loraDrawing({ inputs, outputs, r, loraAlpha }: LoraSizes): Drawing {
  const drawn = (size: number) => Math.max(THIN, LONG * size / Math.max(inputs, outputs, r));
  const [wide, high, thin] = [drawn(inputs), drawn(outputs), drawn(r)];
  const [frozen, trained] = [inputs * outputs, r * (inputs + outputs)];
  const [ofW, ofA, ofB] = [`${outputs} × ${inputs}`, `${r} × ${inputs}`, `${outputs} × ${r}`];
  const scale = `${loraAlpha} / ${r} = ${Number((loraAlpha / r).toPrecision(3))}`;
  const amount = `trained: ${trained.toLocaleString("en-US")} weights, ${
    (100 * trained / frozen).toPrecision(2)
  } % as many`;
  const rest = `frozen: ${frozen.toLocaleString("en-US")} weights`;
  const alt = `LoRA computes y = W x + (alpha / r) B A x. The input x (${inputs} numbers) goes ` +
    `through the frozen matrix W (${ofW}), and beside it through the trained matrices A (${ofA}) ` +
    `and B (${ofB}). The second result is multiplied by alpha / r = ${scale} and added to the ` +
    `first, which gives y (${outputs} numbers). ${rest}; ${amount}`;

  const [top, below] = [140, 330]; // the middles of the two ways
  const [x, fork, w, a, b, times, plus, y] = [56, 112, 265, 240, 398, 494, 578, 658];
  const svg = [
    '<svg xmlns="http://www.w3.org/2000/svg" width="720" height="496" viewBox="0 0 720 496" ' +
    'style="max-width: 100%; height: auto" role="img" ' +
    'font-family="Open Sans, Segoe UI, Helvetica, Arial, DejaVu Sans, sans-serif" ' +
    `font-size="15" text-anchor="middle" fill="${INK}">`,
    `<title>LoRA in a linear layer</title><desc>${alt}</desc>`,
    '<defs><pattern id="lora-frozen" width="8" height="8" patternUnits="userSpaceOnUse" ' +
    'patternTransform="rotate(45)"><rect width="8" height="8" fill="#ddeeff"/>' +
    '<path d="M0 0V8" stroke="#99bbdd" stroke-width="3"/></pattern>' +
    '<marker id="lora-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" ' +
    `orient="auto"><path d="M0 1L8 4L0 7z" fill="${LINE}"/></marker></defs>`,
    `<rect x="0.5" y="0.5" width="719" height="495" rx="8" fill="${GROUND}" stroke="#8899aa"/>`,
    text(360, 36, `y = ${formula("W", "frozen")} x + (α / r) · ${formula("B A", "trained")} x`, {
      size: 20,
    }),
    arrow(`M${x + THIN / 2} ${top}H${w - wide / 2}`),
    arrow(`M${w + wide / 2} ${top}H${plus - 15}`),
    arrow(`M${plus + 15} ${top}H${y - THIN / 2}`),
    arrow(`M${fork} ${top}V${below}H${a - wide / 2}`),
    `<circle cx="${fork}" cy="${top}" r="3.5" fill="${LINE}"/>`,
    arrow(`M${a + wide / 2} ${below}H${b - thin / 2}`),
    arrow(`M${b + thin / 2} ${below}H${times - 15}`),
    arrow(`M${times + 15} ${below}H${plus}V${top + 15}`),
    box(x, top, THIN, wide, "x", [`${inputs}`]),
    box(w, top, wide, high, "W", [ofW], "frozen"),
    box(a, below, wide, thin, "A", [ofA], "trained"),
    text((a + wide / 2 + b - thin / 2) / 2, below - 9, `${r}`),
    box(b, below, thin, high, "B", [ofB], "trained"),
    sign(times, below, "M-6 -6L6 6M-6 6L6 -6"),
    text(times, below + 38, "α / r"),
    text(times, below + 57, scale),
    sign(plus, top, "M-8 0H8M0 -8V8"),
    box(y, top, THIN, high, "y", [`${outputs}`]),
    ...[{ at: 96, words: rest, kind: KINDS.frozen }, {
      at: 336,
      words: amount,
      kind: KINDS.trained,
    }]
      .flatMap(({ at, words, kind }) => [
        `<rect x="${at}" y="458" width="18" height="18" fill="${kind.fill}" stroke="${kind.ink}"/>`,
        text(at + 26, 472, words, { ink: kind.ink, anchor: "start" }),
      ]),
    "</svg>",
  ].join("\n");
  return { svg, alt };
}

function text(
  x: number,
  y: number,
  words: string,
  { size = 15, ink = INK, anchor = "middle" } = {},
): string {
  return `<text x="${x}" y="${y}" font-size="${size}" fill="${ink}" text-anchor="${anchor}">${words}</text>`;
}

const formula = (words: string, kind: keyof typeof KINDS) =>
  `<tspan fill="${KINDS[kind].ink}">${words}</tspan>`;

const arrow = (path: string) =>
  `<path d="${path}" fill="none" stroke="${LINE}" stroke-width="1.5" marker-end="url(#lora-tip)"/>`;

/** A circle around a sign. */
const sign = (x: number, y: number, path: string) =>
  `<g transform="translate(${x} ${y})" fill="${GROUND}" stroke="${INK}" stroke-width="1.5">` +
  `<circle r="15"/><path d="${path}"/></g>`;

/** A matrix or vector around (x, y), its name above and its size below. */
function box(
  x: number,
  y: number,
  width: number,
  height: number,
  name: string,
  notes: string[],
  kind?: keyof typeof KINDS,
): string {
  const { ink, fill } = kind ? KINDS[kind] : { ink: LINE, fill: "#eeeeee" };
  const lines = kind ? [...notes, kind] : notes;
  return [
    `<rect x="${x - width / 2}" y="${y - height / 2}" width="${width}" height="${height}" ` +
    `fill="${fill}" stroke="${ink}" stroke-width="1.5"/>`,
    text(x, y - height / 2 - 9, name, { size: 18 }),
    ...lines.map((line, i) => text(x, y + height / 2 + 20 + 18 * i, line, { ink })),
  ].join("\n");
}
