import { Buffer } from "node:buffer";
import { crc32, deflateSync } from "node:zlib";

/** Levels of a channel that are kept apart, beyond what is seen at the edges of letters and lines. */
const LEVELS = 16;

/**
 * Writes a picture of few colours as a PNG with a palette, a third of the bytes of one without. Colours are rounded to 16
 * levels of each channel; undefined if more than 256 are left.
 *
 * @param pixels Red, green, blue and alpha of each pixel, multiplied by alpha.
 * @see https://www.w3.org/TR/png-3/
 */
export function palettePng(
  pixels: Uint8Array,
  width: number,
  height: number,
): Buffer | undefined {
  const palette = new Map<number, number>();
  const round = (x: number) => Math.round(x / 255 * (LEVELS - 1)) / (LEVELS - 1) * 255;
  const rows = Buffer.alloc(height * (width + 1)); // each begins with its filter, 0 for none
  for (let i = 0; i < width * height; i++) {
    const alpha = pixels[4 * i + 3]!;
    const colour = [0, 1, 2].map((c) =>
      round(Math.min(255, 255 * pixels[4 * i + c]! / (alpha || 1)))
    );
    const key = Buffer.from([...colour, round(alpha)]).readUInt32BE();
    if (!palette.has(key)) palette.set(key, palette.size);
    rows[i + Math.floor(i / width) + 1] = palette.get(key)!;
  }
  if (palette.size > 256) return undefined;
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 3, 0, 0, 0]); // 8 bits each, a palette
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  const colours = [...palette.keys()];
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("PLTE", Buffer.from(colours.flatMap((x) => [x >>> 24, x >>> 16 & 255, x >>> 8 & 255]))),
    chunk("tRNS", Buffer.from(colours.map((x) => x & 255))),
    chunk("IDAT", deflateSync(rows, { level: 9 })),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** Length, type, data, and the check of the last two. */
function chunk(type: string, data: Buffer): Buffer {
  const checked = Buffer.concat([Buffer.from(type), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(checked));
  return Buffer.concat([length, checked, check]);
}
