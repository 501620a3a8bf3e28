/** Writes texts that others chose, such as labels and names, so that they stay texts wherever they stand. */

/** What a terminal obeys, YAML refuses or no font shows: controls, marks of direction, halves of characters. */
const INVISIBLE = /[\p{Cc}\p{Cs}\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069\uFEFF\uFFFE\uFFFF]/gu;

/**
 * A text on one line, with control characters as JSON escapes them.
 *
 * @example
 * ```ts
 * import { visible } from "./text.ts";
 * visible("one\ntwo"); // "one\\ntwo"
 * ```
 */
export function visible(text: string): string {
  return text.replace(INVISIBLE, (character) => {
    const escaped = JSON.stringify(character).slice(1, -1);
    if (escaped !== character) return escaped;
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** A value as YAML, on one line: JSON is YAML, but for characters that YAML wants escaped. */
export const toYaml = (value: unknown): string => visible(JSON.stringify(value));

/** Makes text safe in a line of Markdown, also in a table. */
export const escapeMarkdown = (text: string): string =>
  visible(text).replace(/[\\`*_{}[\]<>&|~$#]/g, "\\$&");

/** A text as code in a line of Markdown; in a table, "|" is to be escaped too. */
export function markdownCode(text: string): string {
  const shown = visible(text);
  const fence = "`".repeat(
    Math.max(0, ...(shown.match(/`+/g) ?? []).map(({ length }) => length)) + 1,
  );
  const space = /^[` ]|[` ]$/.test(shown) ? " " : "";
  return fence + space + shown + space + fence;
}
