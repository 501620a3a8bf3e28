import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import pl from "nodejs-polars";
import { loadDataset } from "../../lib/dataset/dataset.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { caughtWarnings, values } from "../helpers/sources.ts";

const ROWS = Array.from({ length: 12 }, (_, i) => ({
  text: `${i}: crème, „brûlée“; | \t"done"`,
  label: ["good", "bad", "neither"][i % 3]!,
}));
const TEXTS = ROWS.map(({ text }) => text);

const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
const separated = (separator: string) =>
  [`text${separator}label`]
    .concat(ROWS.map(({ text, label }) => quoted(text) + separator + label)).join("\n");
const bytes = (text: string) => new TextEncoder().encode(text);
const lines = ROWS.map((row) => JSON.stringify(row)).join("\n");

function utf16(text: string, bigEndian: boolean, mark = "\ufeff"): Uint8Array {
  const view = new DataView(new ArrayBuffer(2 * (mark + text).length));
  [...(mark + text).split("")].forEach((unit, i) =>
    view.setUint16(2 * i, unit.charCodeAt(0), !bigEndian)
  );
  return new Uint8Array(view.buffer);
}

/** The same rows in each. */
const FILES: [name: string, content: Uint8Array][] = [
  ["commas.csv", bytes(separated(","))],
  ["semicolons.csv", bytes(separated(";"))],
  ["tabs.tsv", bytes(separated("\t"))],
  ["tabs.txt", bytes(separated("\t"))],
  ["bars.csv", bytes(separated("|"))],
  ["packed.csv.gz", gzipSync(separated(","))],
  ["packed.jsonl.gz", gzipSync(lines)],
  ["little.csv", utf16(separated(";"), false)],
  ["big.csv", utf16(separated(","), true)],
  ["markless.tsv", utf16(separated("\t"), false, "")],
  ["rows.jsonl", bytes(`${lines}\n`)],
  ["crlf.ndjson", bytes(lines.replaceAll("\n", "\r\n"))],
  ["array.json", bytes(JSON.stringify(ROWS, null, 2))],
  ["within.json", bytes(JSON.stringify({ version: "1", data: ROWS }))],
  ["lines.json", bytes(lines)],
  ["wrong.csv", pl.DataFrame(ROWS).writeParquet() as unknown as Uint8Array],
  ["rows.parquet", pl.DataFrame(ROWS).writeParquet() as unknown as Uint8Array],
];
for (const [name, content] of FILES) {
  Deno.test(`loadDataset() reads ${name}`, async () => {
    await using folder = await temporaryFolder();
    await Deno.writeFile(`${folder.path}/${name}`, content);
    const { labels, train, evaluation, test } = await loadDataset(`${folder.path}/${name}`);
    assert.deepEqual(labels, ["good", "bad", "neither"]);
    const read = [train, evaluation, test].flatMap((part) => values(part, "text"));
    assert.deepEqual(read.sort(), TEXTS.toSorted());
    assert.deepEqual([train, evaluation, test].map(({ height }) => height), [6, 3, 3]);
  });
}

Deno.test("loadDataset() reads the first sheet of a workbook: stars as classes, numbers among texts as texts", async () => {
  const file = fileURLToPath(new URL("../fixtures/dataset/stars.xlsx", import.meta.url));
  const { labels, train, evaluation, test } = await loadDataset(file, {
    textColumns: "Review",
    labelColumn: "Stars",
  });
  assert.deepEqual(labels, ["1", "2", "5"]);
  const texts = [train, evaluation, test].flatMap((part) => values(part, "text"));
  assert.deepEqual([texts.length, texts.includes("2024"), texts.includes("Größe – passt")], [
    12,
    true,
    true,
  ]);
});

Deno.test("loadDataset() reads Latin-1 with a warning that shows the line", async () => {
  using warnings = caughtWarnings();
  await using folder = await temporaryFolder();
  const file = `${folder.path}/latin.csv`;
  const text = "text,label\n" + "caf\xe9,a\nna\xefve,b\n".repeat(3);
  await Deno.writeFile(file, Uint8Array.from(text, (character) => character.charCodeAt(0)));
  const { train } = await loadDataset(file);
  assert.deepEqual(values(train, "text").toSorted(), ["café", "naïve"]);
  assert.match(
    warnings.said[0]!,
    /^.*latin\.csv is not in UTF-8 from line 2 on, and is read as Latin-1: "café,a"\. If/,
  );
});

const REFUSED: [name: string, content: Uint8Array | string, message: RegExp][] = [
  ["paper.pdf", "%PDF-1.7 …", /parquet or xlsx: current value is PDF\. Save or export it/],
  ["old.xls", Uint8Array.of(0xd0, 0xcf, 0x11, 0xe0, 0xa1), /a workbook of Excel 97 to 2003\. Save/],
  ["page.csv", "<!doctype html><p>404", /current value is HTML\. Save/],
  ["model.pkl", Uint8Array.of(0x80, 4, 0x95), /current value is a pickle of Python\. Save/],
  ["many.zip", "PK\x03\x04…", /current value is zip\. Save/],
  [
    "broken.xlsx",
    "PK\x03\x04…",
    /must be a workbook of Excel \(xlsx\): .*\. If it is another archive/,
  ],
  [
    "cut.csv.gz",
    gzipSync(separated(",")).subarray(0, 60),
    /gzip must be whole .*\. Fetch it again/,
  ],
  ["cut.parquet", "PAR1…", /parquet files must be whole: .*\. Fetch it again/],
  [
    "cut.json",
    lines.slice(0, -5),
    /be JSON, or JSON by lines, in line 12: .*\. Write one object a line/,
  ],
  [
    "picture.png",
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 13, 0xff),
    /its bytes are no text\. Save/,
  ],
  ["odd.csv", Uint8Array.of(0xff, 0xfe, 0x74, 0, 0x65), /its bytes are no text\. Save/],
  [
    "twice.csv",
    "text,label,text\nx,a,y\n",
    /its columns must have different names: 'text' stands twice/,
  ],
  ["number.json", "7", /must hold rows: current value is "7"\. Write/],
  ["numbers.jsonl", "1\n2\n", /have an object as row 1: current value is "1"\. Write/],
  ["empty.jsonl", "", /which column holds the texts/],
];
for (const [name, content, message] of REFUSED) {
  Deno.test(`loadDataset() refuses ${name} and says what it is`, async () => {
    await using folder = await temporaryFolder();
    const file = `${folder.path}/${name}`;
    await Deno.writeFile(file, typeof content === "string" ? bytes(content) : content);
    await assert.rejects(loadDataset({ file }), message);
  });
}
