import { closest } from "fastest-levenshtein";
import type { Table } from "./table.ts";

/** Which columns to take. */
export interface ColumnOptions {
  /** The column of the texts, or several that are joined by a space. @default {the one with a usual name} */
  textColumns?: string | string[];
  /** The column of the classes. @default {the one with a usual name} */
  labelColumn?: string;
}

/** The columns of a table that hold its rows. */
export interface Columns {
  /** One or several. */
  text: string[];
  label: string;
}

const TEXT_NAMES = ["text", "sentence", "content", "review", "comment", "message", "body"];
const PAIRS = [["title", "description"], ["title", "text"], ["title", "content"]];
const SINGLE_NAMES = ["title", "headline", "description"];
const LABEL_NAMES = ["label", "labels", "category", "class", "target"];

/**
 * Finds the columns of texts and classes: those asked for or, in any case, those with usual names. `console.log` says
 * which were found, unless they are just `text` and `label`.
 *
 * @throws {TypeError} When there is no such column, or it is not clear which it is; the message shows the columns with an
 * example of each, and the line to write.
 */
export function findColumns(table: Table, options: ColumnOptions): Columns {
  const { textColumns, labelColumn } = options;
  const label = labelColumn === undefined
    ? usual(table, LABEL_NAMES)
    : named(table, "labelColumn", labelColumn);
  const text = textColumns === undefined
    ? usualText(table)
    : [textColumns].flat().map((name) => named(table, "textColumns", name));
  if (!text?.length || label === undefined || text.includes(label)) {
    const which = !text?.length
      ? "texts"
      : label === undefined
      ? "classes"
      : "texts and which classes";
    throw unclear(table, which, { ...text && { text }, ...label !== undefined && { label } });
  }
  const found = [
    ...textColumns === undefined && `${text}` !== "text" ? [`texts from ${quoted(text)}`] : [],
    ...labelColumn === undefined && label !== "label" ? [`classes from ${quoted([label])}`] : [],
  ];
  if (found.length > 0) console.log(`${table.source}: ${found.join(", ")}`);
  return { text, label };
}

/** The one column with one of these names, in any case. */
function usual({ columns }: Table, names: string[]): string | undefined {
  if (columns.has(names[0]!)) return names[0]!;
  const found = [...columns.keys()].filter((name) => names.includes(name.trim().toLowerCase()));
  return found.length === 1 ? found[0] : undefined;
}

function usualText(table: Table): string[] | undefined {
  const one = usual(table, TEXT_NAMES);
  const pair = (names: string[]) => names.flatMap((name) => usual(table, [name]) ?? []);
  const pairs = PAIRS.map(pair).filter(({ length }) => length === 2);
  if (one === undefined && pairs.length > 0) return pairs[0];
  const single = one ?? usual(table, SINGLE_NAMES);
  return single === undefined ? undefined : [single];
}

function named({ source, columns }: Table, option: string, name: string): string {
  if (columns.has(name)) return name;
  const names = [...columns.keys()];
  throw new TypeError(
    `Cannot load ${source} as '${option}' must be one of its columns, ${quoted(names)}: ` +
      `current value is '${name}'. Did you mean '${closest(String(name), names)}'?`,
  );
}

const quoted = (names: string[]) =>
  names.map((name) => `'${name}'`).join(", ").replace(/, ([^,]*)$/, " and $1") || "none";

/** Says which columns there are, and how to choose. */
function unclear(table: Table, which: string, found: Partial<Columns>): TypeError {
  const { source, columns } = table;
  const likely = { ...likelyColumns(table), ...found };
  const chosen = (names: string[]) =>
    names.length === 1 ? JSON.stringify(names[0]) : JSON.stringify(names).replaceAll(",", ", ");
  const example = ([name, cells]: [string, unknown[]]) =>
    `  ${JSON.stringify(name)}, such as ${shown(cells.find((cell) => cell !== null))}`;
  const listed = [...columns].slice(0, 20).map(example);
  if (columns.size > 20) listed.push(`  and ${columns.size - 20} more`);
  const header = looksLikeRow([...columns.keys()])
    ? "\nIts first row looks like data, not like the columns' names: write a line such as " +
      "text,label above it"
    : "";
  const textColumns = chosen(likely.text ?? ["text"]);
  const labelColumn = chosen([likely.label ?? "label"]);
  return new TypeError(
    `Cannot load ${source} as it must be clear which column holds the ${which}. Its columns are` +
      `\n${listed.join("\n") || "  none"}${header}\nWrite, for example, ` +
      `loadDataset(${
        chosen([source])
      }, { textColumns: ${textColumns}, labelColumn: ${labelColumn} })`,
  );
}

/** A name is neither a number nor a sentence, nor is it empty. */
const looksLikeRow = (names: string[]) =>
  names.length > 0 &&
  names.some((name) => name.length > 40 || /^-?\d+([.,]\d+)?$/.test(name.trim()));

/** The column with the longest texts, and the one with the fewest different values. */
function likelyColumns({ columns }: Table): Partial<Columns> {
  const cells = [...columns].map(([name, cells]) => ({ name, cells: cells.slice(0, 1000) }));
  const length = (cells: unknown[]) =>
    cells.reduce<number>((sum, cell) => sum + (typeof cell === "string" ? cell.length : 0), 0);
  const [text] = cells.toSorted((a, b) => length(b.cells) - length(a.cells));
  const kinds = (cells: unknown[]) => new Set(cells.map(String)).size;
  const rank = ({ cells }: { cells: unknown[] }) => kinds(cells) > 1 ? kinds(cells) : Infinity;
  const [label] = cells.filter(({ name }) => name !== text?.name).toSorted((a, b) =>
    rank(a) - rank(b)
  );
  return { ...text && { text: [text.name] }, ...label && { label: label.name } };
}

function shown(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value ?? "nothing");
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
