import { distance } from "fastest-levenshtein";

/** So few classes need no proof that they are classes. */
const FEW = 20;

/**
 * The names of the classes that a column's values stand for: numbers in their order, `false` before `true`, other texts
 * in the order in which they first come. `console.warn` points at a name that is likely another one's misspelling.
 *
 * @param values A text, number or boolean for each row; `null` is none.
 * @param column The column's name.
 * @param source Names the values' file in messages.
 * @throws {RangeError} When nearly every row has a value of its own, as in a column of numbers to predict.
 */
export function classNames(values: unknown[], column: string, source: string): string[] {
  const rows = new Map<string, number[]>();
  values.forEach((value, i) => {
    const name = nameOf(value);
    if (name === undefined) return;
    if (!rows.has(name)) rows.set(name, []);
    rows.get(name)!.push(i + 1);
  });
  const names = [...rows.keys()];
  if (names.length > FEW && names.length > values.length / 2) {
    throw new RangeError(
      `Cannot load ${source} as '${column}' must name a few classes: it has ${names.length} ` +
        `different values in ${values.length} rows, such as ${names.slice(0, 3).join(", ")}. ` +
        "Choose another 'labelColumn', or make classes of the numbers",
    );
  }
  if (names.every((name) => isFinite(Number(name)) && name.trim() !== "")) {
    return names.sort((a, b) => Number(a) - Number(b));
  }
  if (names.every((name) => /^(true|false)$/i.test(name))) {
    return names.sort((a, b) => a.toLowerCase() < b.toLowerCase() ? -1 : 1);
  }
  warnOfLikeness(rows, source);
  return names;
}

/** What a cell calls its class; pandas writes whole numbers beside empty cells as 3.0. */
export function nameOf(value: unknown): string | undefined {
  if (typeof value === "string") {
    return /^-?\d+\.0+$/.test(value) ? value.replace(/\..*/, "") : value;
  }
  const isName = typeof value === "boolean" || typeof value === "bigint" ||
    typeof value === "number" && isFinite(value);
  return isName ? String(value) : undefined;
}

/** Points at names that differ in blanks or case, and at one that stands once and differs in a letter. */
function warnOfLikeness(rows: Map<string, number[]>, source: string) {
  const names = [...rows.keys()].sort((a, b) => rows.get(a)!.length - rows.get(b)!.length);
  const plain = (name: string) => name.trim().toLowerCase().replace(/\s+/g, " ");
  names.slice(0, 1000).forEach((name, i) => {
    const found = rows.get(name)!;
    const isLike = (other: string) =>
      plain(name) === plain(other) ||
      found.length === 1 && rows.get(other)!.length > 1 && name.length > 3 &&
        distance(plain(name), plain(other)) === 1;
    const other = names.slice(i + 1).find(isLike);
    if (other === undefined) return;
    const [shown, known] = [name, other].map((text) => JSON.stringify(text));
    const where = `row ${found.slice(0, 3).join(", ")}${found.length > 3 ? ", …" : ""}`;
    console.warn(
      `${source}: the label ${shown} (${found.length} ×, in ${where}) is a class of its own ` +
        `beside ${known}. If it is the same class, correct it`,
    );
  });
}
