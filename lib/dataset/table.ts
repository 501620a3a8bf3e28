/** The cells of a file, by the names of its columns; `null` is an empty cell. */
export interface Table {
  /** Names the file in messages. */
  source: string;
  /** As many cells in each. */
  columns: Map<string, unknown[]>;
  /** The names of a column's classes, where the file has a schema that says them. */
  classNames?: ReadonlyMap<string, string[]>;
}
