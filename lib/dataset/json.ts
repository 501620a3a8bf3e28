import type { Table } from "./table.ts";

/**
 * Reads rows in JSON: one object a line, an array of objects, or an object with one such array, as SQuAD's files have it.
 *
 * @param text The file's content.
 * @param source Names it in messages.
 * @throws {RangeError} When it is not well-formed, or holds anything but objects; the message names the row.
 */
export function readJsonTable(text: string, source: string): Table {
  const whole = parse(text);
  const rows = whole === undefined ? byLine(text, source) : rowsOf(whole);
  if (!rows) throw wrong(source, "hold rows", text);
  const columns = new Map<string, unknown[]>();
  rows.forEach((row, i) => {
    if (!isObject(row)) throw wrong(source, `have an object as row ${i + 1}`, JSON.stringify(row));
    for (const [name, cell] of Object.entries(row)) {
      if (!columns.has(name)) columns.set(name, new Array(rows.length).fill(null));
      columns.get(name)![i] = cell;
    }
  });
  return { source, columns };
}

function rowsOf(value: unknown): unknown[] | undefined {
  if (Array.isArray(value)) return value;
  if (!isObject(value)) return;
  const lists = Object.values(value).filter((x) => Array.isArray(x) && x.every(isObject));
  return lists.length === 1 ? lists[0] as unknown[] : [value];
}

function byLine(text: string, source: string): unknown[] {
  return text.split(/\r?\n/).flatMap((line, i) => {
    if (!line.trim()) return [];
    const value = parse(line);
    if (value === undefined) {
      throw wrong(source, `be JSON, or JSON by lines, in line ${i + 1}`, line);
    }
    return [value];
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return;
  }
}

const isObject = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const wrong = (source: string, must: string, text: string) =>
  new RangeError(
    `Cannot load ${source} as it must ${must}: current value is ` +
      `${JSON.stringify(text.slice(0, 80))}. ` +
      'Write one object a line, such as {"text": "…", "label": "…"}',
  );
