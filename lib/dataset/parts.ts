import type { DataFrame } from "nodejs-polars";
import type { RepositoryOptions } from "../hub/folder.ts";
import type { ColumnOptions } from "./columns.ts";
import { stratify } from "./split.ts";

/** Texts and their classes; each part has the columns text (String) and label (Int32). */
export interface Dataset {
  /** The classes' names: label i is `labels[i]`. */
  labels: string[];
  /** The rows to train on. */
  train: DataFrame;
  /** The rows to measure on while training. */
  evaluation: DataFrame;
  /** The rows to measure on at the end; none where `testRows` is 0. */
  test: DataFrame;
}

/** How many rows each part takes: a whole number, or a share between 0 and 1 of the rows there are. */
export interface RowOptions {
  /** To train on. @default {what the other parts leave} */
  trainRows?: number;
  /** To measure on while training. @default {0.1, or all rows of a part that the source has} */
  evaluationRows?: number;
  /** To measure on at the end; 0 for no such part. @default {0.1, or all rows of a part that the source has} */
  testRows?: number;
  /** Draws the rows. @default {42} */
  seed?: number;
}

/** What to take of the data, and how to reach the Hub. */
export interface DatasetOptions extends RowOptions, ColumnOptions, RepositoryOptions {
  /** Leave out rows without a text or label, which are an error otherwise. @default {false} */
  skipIncomplete?: boolean;
}

/** The parts that a source has; each frame also has the column row, the row's number in the source. */
export type GivenParts = Pick<Dataset, "train"> & Partial<Pick<Dataset, "evaluation" | "test">>;

/** The share of the rows that evaluate, and that of those that test, where nothing else is asked for. */
const SHARE = 0.1;

/**
 * Cuts evaluation and test rows off the training rows where the source has none, and takes of each part as many rows as
 * asked for: at random, class by class in proportion. `console.log` says of how many rows, where some are left out.
 *
 * @param given What the source has.
 * @param classes How many classes there are.
 * @param options How many rows each part takes.
 * @param source Names it in messages.
 * @throws {RangeError} When a number of rows is out of its range.
 */
export async function completeParts(
  given: GivenParts,
  classes: number,
  { trainRows, evaluationRows, testRows, seed = 42 }: RowOptions,
  source: string,
): Promise<Omit<Dataset, "labels">> {
  const { height } = given.train;
  const share = height < 3 * classes ? 1 : Math.max(Math.round(SHARE * height), classes);
  const whole = { evaluation: evaluationRows, test: testRows };
  const sizes = { evaluation: 0, test: 0 };
  for (const part of ["evaluation", "test"] as const) {
    const option = `${part}Rows`;
    const rows = whole[part];
    const least = part === "test" ? 0 : 1;
    const available = (given[part] ?? given.train).height;
    const otherwise = given[part] ? available : Math.min(share, available);
    sizes[part] = rows === undefined
      ? otherwise
      : countRows(option, rows, available, least, source);
  }
  const cut = (["evaluation", "test"] as const).filter((part) => !given[part]);
  const used = cut.reduce((sum, part) => sum + sizes[part], 0);
  const train = trainRows === undefined
    ? height - used
    : countRows("trainRows", trainRows, height, 1, source);
  if (train < 1 || train + used > height) {
    throw new RangeError(
      `Cannot load ${source} as its parts must have together at most its ${height} rows, and one must ` +
        `be left to train on: current value is ${Math.max(train, 0)} to train on, ` +
        cut.map((part) => `${sizes[part]} for ${part}`).join(", ") +
        ". Lower 'trainRows', 'evaluationRows' or 'testRows', or add rows",
    );
  }
  tellWhatIsLeft(source, {
    train: [train, height - used],
    evaluate: [sizes.evaluation, given.evaluation?.height ?? 0],
    test: [sizes.test, given.test?.height ?? 0],
  });
  const [first, ...others] = await draw(
    given.train,
    [train, ...cut.map((part) => sizes[part])],
    seed,
  );
  const parts = { train: first!, evaluation: given.evaluation, test: given.test };
  for (const part of ["evaluation", "test"] as const) {
    const frame = given[part];
    parts[part] = frame ? (await draw(frame, [sizes[part]], seed))[0] : others.shift();
  }
  return parts as Omit<Dataset, "labels">;
}

/**
 * Says by `console.log` of how many rows each part takes, if it leaves some out.
 *
 * @param source Names the data set.
 * @param parts What each part does, and its numbers.
 */
export function tellWhatIsLeft(
  source: string,
  parts: Record<string, [taken: number, available: number]>,
): void {
  const cut = Object.entries(parts).filter(([, [taken, available]]) => taken < available);
  const told = cut.map(([part, [taken, available]]) =>
    `${taken.toLocaleString("en")} of ${available.toLocaleString("en")} rows ${part}`
  );
  if (told.length > 0) console.log(`${source}: ${told.join(", ")}`);
}

/** Draws parts from a frame; a single part of all rows is the frame as it is. */
async function draw(frame: DataFrame, sizes: number[], seed: number): Promise<DataFrame[]> {
  if (sizes.length === 1 && sizes[0] === frame.height) return [frame];
  const { default: pl } = await import("nodejs-polars");
  return stratify(values<number>(frame, "label"), sizes, seed).map((rows) =>
    rows.length === 0 ? frame.head(0) : pl.DataFrame(
      frame.columns.map((name) => frame.getColumn(name).gather(rows)),
    )
  );
}

/**
 * A number of rows.
 *
 * @param option Its name.
 * @param value The number, or a share.
 * @param available How many rows there are.
 * @param least The least number.
 * @param source Names the data set.
 * @throws {RangeError} When it is out of its range.
 */
export function countRows(
  option: string,
  value: number,
  available: number,
  least: number,
  source: string,
): number {
  if (Number.isInteger(value) && value >= least && value <= available) return value;
  if (value > 0 && value < 1) return Math.max(Math.round(value * available), 1);
  throw new RangeError(
    `Cannot load ${source} as '${option}' must be a share between 0 and 1, or a whole number from ` +
      `${least} to ${available}: current value is ${value}`,
  );
}

/**
 * Warns of what would make metrics on the parts meaningless: a class that a part lacks, and texts that are both trained
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
  const counts = Object.entries(parts).map(([part, frame]) => {
    const rows = labels.map(() => 0);
    for (const label of values<number>(frame, "label")) rows[label]!++;
    return { part, height: frame.height, rows };
  });
  for (const { part, height, rows } of counts) {
    if (height === 0) continue;
    const present = labels.filter((_, label) => rows[label]! > 0);
    const remedy = `Raise '${part}Rows' or choose other data`;
    if (part === "train" && present.length < 2) {
      throw new RangeError(
        `Cannot train on ${source} as its rows must be of at least two classes: current value is ` +
          `${height} of ${present}. ${remedy}`,
      );
    }
    const absent = labels.flatMap((name, label) => {
      const total = counts.reduce((sum, { rows }) => sum + rows[label]!, 0);
      return rows[label]! > 0 ? [] : [`${JSON.stringify(name)} (${total} rows in all)`];
    });
    if (absent.length === 0) continue;
    const named = absent.slice(0, 5).join(", ") + (absent.length > 5 ? ", …" : "");
    console.warn(
      present.length < 2
        ? `The accuracy on the part ${part} of ${source} will mean little: all rows are of one class, ` +
          `${height} of ${present}. ${remedy}`
        : `The part ${part} of ${source} has no row of ${absent.length} of the ${labels.length} ` +
          `classes: ${named}. Add rows of them, or leave them out`,
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
