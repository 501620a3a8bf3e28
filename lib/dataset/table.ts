/** The cells of a file, by the names of its columns; `null` is an empty cell. */
export interface Table {
  /** Names the file in messages. */
  source: string;
  /** As many cells in each. */
  columns: Map<string, unknown[]>;
  /** The names of a column's classes, where the file has a schema that says them. */
  classNames?: ReadonlyMap<string, string[]>;
}

/**
 * The columns of a sheet of cells, its header first.
 *
 * @param header The columns' names; a column without one has the name "".
 * @param rows The cells, as many in each row.
 * @param source Names the file in messages.
 * @throws {RangeError} When two columns have the same name.
 */
export function columnsOf(
  header: unknown[],
  rows: unknown[][],
  source: string,
): Map<string, unknown[]> {
  const names = header.map((name) => String(name ?? ""));
  const twice = names.find((name, i) => name !== "" && names.indexOf(name) < i);
  if (twice !== undefined) {
    throw new RangeError(
      `Cannot load ${source} as its columns must have different names: '${twice}' stands twice. ` +
        "Rename one",
    );
  }
  return new Map(names.map((name, i) => [name, rows.map((row) => row[i] ?? null)]));
}
