import type { DataFrame } from "nodejs-polars";
import { checkOptions } from "../options.ts";
import { type Grid, gridHtml, gridText } from "./grid.ts";
import { show } from "./output.ts";

/** Options of {@link showTable}. */
export interface TableOptions {
  /** A line above the table. */
  title?: string;
  /** Decimals of a column with numbers that are not whole. @default {4} */
  decimals?: number;
  /** Maximum characters of a cell; "…" replaces the rest. @default {80} */
  maxCell?: number;
  /** Maximum rows shown; the title says how many there are. @default {50} */
  maxRows?: number;
}

const OPTIONS: Record<keyof TableOptions, true> = {
  title: true,
  decimals: true,
  maxCell: true,
  maxRows: true,
};

/**
 * Shows rows as a table: HTML in a notebook, aligned text elsewhere.
 *
 * @param frame The rows: a DataFrame, or an array of objects.
 * @param options How to draw it.
 * @throws {TypeError} When `frame` is neither, or an option is unknown.
 *
 * @example
 * ```ts
 * import { showTable } from "lightweight-finetuning";
 * await showTable([{ method: "LoRA", accuracy: 0.9155 }], { title: "Accuracy on the test rows" });
 * ```
 */
export async function showTable(
  frame: DataFrame | object[],
  options: TableOptions = {},
): Promise<void> {
  const grid = tableGrid(frame, options);
  await show({ "text/html": gridHtml(grid), "text/plain": gridText(grid) });
}

function tableGrid(frame: DataFrame | object[], options: TableOptions): Grid {
  checkOptions("show a table", options, OPTIONS);
  const { title, decimals = 4, maxCell = 80, maxRows = 50 } = options;
  const isFrame = !Array.isArray(frame);
  if (isFrame && typeof frame?.toRecords !== "function") {
    throw new TypeError(
      `Cannot show a table as 'frame' must be a DataFrame or an array: current value is ${frame}`,
    );
  }
  const total = isFrame ? frame.height : frame.length;
  const rows: Record<string, unknown>[] = isFrame
    ? frame.head(maxRows).toRecords()
    : frame.slice(0, maxRows) as Record<string, unknown>[];
  const columns = isFrame ? frame.columns : [...new Set(rows.flatMap(Object.keys))];

  const values = columns.map((column) => rows.map((row) => row[column]));
  const isNumber = (value: unknown) => typeof value === "number" || typeof value === "bigint";
  const isFraction = (value: unknown) => typeof value === "number" && !Number.isInteger(value);
  const isMissing = (value: unknown) => value === null || value === undefined;

  const text = (value: unknown, column: number): string => {
    if (isMissing(value)) return "";
    if (typeof value === "number") {
      return values[column]!.some(isFraction) ? value.toFixed(decimals) : String(value);
    }
    const whole = typeof value === "object"
      ? Deno.inspect(value, { breakLength: Infinity })
      : String(value);
    const characters = [...whole.replace(/\s+/g, " ").trim()];
    return characters.length > maxCell
      ? characters.slice(0, maxCell - 1).join("") + "…"
      : characters.join("");
  };
  const right = values.keys().filter((i) =>
    values[i]!.some(isNumber) && values[i]!.every((value) => isNumber(value) || isMissing(value))
  );
  const count = total > rows.length ? `first ${rows.length} of ${total} rows` : "";
  const heading = [title, count].filter(Boolean).join(", ");
  return {
    ...(heading && { title: heading }),
    columns,
    cells: rows.map((row) => columns.map((column, i) => text(row[column], i))),
    right: new Set(right),
  };
}
