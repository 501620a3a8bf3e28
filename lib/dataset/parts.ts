import type { DataFrame } from "nodejs-polars";
import type { RepositoryOptions } from "../hub/folder.ts";

/** Texts and their classes; each part has the columns text (String) and label (Int32). */
export interface Dataset {
  /** The classes' names: label i is `labels[i]`. */
  labels: string[];
  /** The rows to train on. */
  train: DataFrame;
  /** The rows to measure on while training. */
  evaluation: DataFrame;
  /** The rows to measure on at the end. */
  test: DataFrame;
}

/** How many rows to take, and how to reach the Hub. */
export interface DatasetOptions extends RepositoryOptions {
  /** From the Hub, a random sample of this size. @default {all; of a csv file what the other parts leave} */
  trainRows?: number;
  /** From the Hub, the first of the even test rows. @default {all; of a csv file a tenth of each class} */
  evaluationRows?: number;
  /** From the Hub, the first of the odd test rows. @default {all; of a csv file a tenth of each class} */
  testRows?: number;
  /** Draws the sample of training rows; not used for a csv file. @default {42} */
  seed?: number;
}

/**
 * Warns of what would make metrics on the parts meaningless: a part with a single class, and texts that are both trained
 * and evaluated on.
 *
 * @param parts Have the columns text, label and row, the row's number in the source.
 * @param labels The classes' names.
 * @param source Names the data set in messages.
 * @throws {RangeError} When all training rows are of one class.
 */
export function checkParts(
  parts: Omit<Dataset, "labels">,
  labels: string[],
  source: string,
): void {
  for (const [part, frame] of Object.entries(parts)) {
    const [first, ...others] = new Set(values<number>(frame, "label"));
    if (others.length > 0) continue;
    const rows = `${frame.height} of ${labels[first!]}. Raise '${part}Rows' or choose other data`;
    if (part === "train") {
      throw new RangeError(
        `Cannot train on ${source} as its rows must be of at least two classes: current value is ${rows}`,
      );
    }
    console.warn(
      `The accuracy on the part ${part} of ${source} will mean little: all rows are of one class, ${rows}`,
    );
  }
  const trained = new Map<string, number>();
  const rows = values<number>(parts.train, "row");
  values<string>(parts.train, "text").forEach((text, i) => {
    if (!trained.has(text)) trained.set(text, rows[i]!);
  });
  for (const part of ["evaluation", "test"] as const) {
    const rows = values<number>(parts[part], "row");
    const shared = values<string>(parts[part], "text").flatMap((text, i) =>
      trained.has(text) ? [`row ${rows[i]} is training row ${trained.get(text)}`] : []
    );
    if (shared.length === 0) continue;
    const named = shared.slice(0, 3).join(", ") + (shared.length > 3 ? ", …" : "");
    console.warn(
      `The accuracy on the part ${part} of ${source} will be too high: ${shared.length} of its ` +
        `${rows.length} rows have the text of a training row (${named}; the first row is 1). ` +
        "Remove one of each",
    );
  }
}

const values = <T>(frame: DataFrame, column: string) => frame.getColumn(column).toArray() as T[];
