import { visible } from "../text.ts";

/** Rows of cells under a header, drawn as HTML or as text. */
export interface Grid {
  /** A line above the table. @default {none} */
  title?: string;
  /** The header's cells. */
  columns: string[];
  /** The cells by row. */
  cells: string[][];
  /** Indices of the columns that are aligned right: those of numbers. */
  right: Set<number>;
}

/** Makes text safe inside HTML, in attributes too; control characters become visible. */
export function escapeHtml(text: string): string {
  return visible(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Text in an element's content; apart from their neighbours, JupyterLab does not read $ and \ as mathematics. */
export function textHtml(text: string): string {
  return escapeHtml(text).replace(/[$\\]/g, "<span>$&</span>");
}

/**
 * Draws a grid as an HTML table.
 *
 * @example
 * ```ts
 * import { gridHtml } from "./grid.ts";
 * gridHtml({ columns: ["Step"], cells: [["125"]], right: new Set([0]) });
 * ```
 */
export function gridHtml({ title, columns, cells, right }: Grid): string {
  const row = (tag: string, texts: string[]) =>
    `<tr>${
      texts.map((text, i) => {
        const side = right.has(i) ? "right" : "left";
        // GitHub keeps `align` and drops `style`; JupyterLab's own rule for cells beats `align`.
        return `<${tag} align="${side}" style="text-align: ${side}">${textHtml(text)}</${tag}>`;
      }).join("")
    }</tr>`;
  return [
    "<table>",
    ...(title ? [`<caption style="text-align: left">${textHtml(title)}</caption>`] : []),
    `<thead>${row("th", columns)}</thead>`,
    `<tbody>${cells.map((texts) => row("td", texts)).join("\n")}</tbody>`,
    "</table>",
  ].join("\n");
}

/**
 * Draws a grid as lines of text, its columns two spaces apart.
 *
 * @example
 * ```ts
 * import { gridText } from "./grid.ts";
 * gridText({ columns: ["Step"], cells: [["125"]], right: new Set([0]) }); // "Step\n 125"
 * ```
 */
export function gridText({ title, columns, cells, right }: Grid): string {
  const rows = [columns, ...cells].map((row) => row.map(visible));
  const widths = columns.map((_, i) =>
    rows.reduce((width, row) => Math.max(width, (row[i] ?? "").length), 0)
  );
  const lines = rows.map((row) =>
    row.map((text, i) => right.has(i) ? text.padStart(widths[i]!) : text.padEnd(widths[i]!))
      .join("  ").trimEnd()
  );
  return [...(title ? [visible(title)] : []), ...lines].join("\n");
}
