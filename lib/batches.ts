/** Tokenized rows: ids of any length without padding, and a class for each row. */
export interface Examples {
  /** Token ids, special tokens included, one list a row. */
  inputIds: ArrayLike<number>[];
  /** Class of each row, from 0. */
  labels: ArrayLike<number>;
}

/** Rows padded to one length; all arrays are row-major. */
export interface Batch {
  /** Token ids, [size, length]. */
  inputIds: Int32Array;
  /** 1 for a token, 0 for padding, [size, length]. */
  attentionMask: Int32Array;
  /** Classes, [size]. */
  labels: Int32Array;
  /** Where in the examples each row comes from, [size]. */
  rows: number[];
  /** Number of rows. */
  size: number;
  /** Tokens of a row, padding included. */
  length: number;
}

/** The longest that rows can be padded to: no encoder has positions for as many tokens. */
export const LONGEST = 2 ** 16;

/**
 * Checks that a model can be trained or evaluated on rows: a class outside the model's would count as a loss of 0. That
 * includes -100, which torch leaves out of the mean.
 *
 * @param task What cannot be done otherwise, as in "Cannot train".
 * @param name What the rows are called there.
 * @param examples The rows.
 * @param classes Number of the model's classes.
 * @throws {RangeError} When there are no rows, or a row has no label or one that is not a whole number from 0 to
 * `classes` - 1.
 */
export function checkExamples(
  task: string,
  name: string,
  { inputIds, labels }: Examples,
  classes: number,
): void {
  const refuse = (range: string, value: string): never => {
    throw new RangeError(`Cannot ${task} as '${name}' must have ${range}: current value ${value}`);
  };
  if (!inputIds.length) refuse("at least one row", "is 0");
  if (labels.length !== inputIds.length) {
    refuse("a label for each row", `is ${labels.length} labels for ${inputIds.length} rows`);
  }
  const isClass = (label: number) => Number.isInteger(label) && label >= 0 && label < classes;
  const row = Array.prototype.findIndex.call(labels, (label) => !isClass(label));
  if (row >= 0) {
    refuse(
      `labels that are whole numbers from 0 to ${classes - 1}`,
      `in row ${row} (the first is 0) is ${Deno.inspect(labels[row])}. Correct or remove that ` +
        "row, or load the model with as many labels as the data have",
    );
  }
}

/**
 * Pads the chosen rows to the longest among them, as Transformers' DataCollatorWithPadding does.
 *
 * @param padToMultipleOf The padded length is a multiple of this. @default {1}
 * @throws {RangeError} When there is no such row, its label or one of its ids is not a whole number, it has no ids, or the
 * padded length or `padTokenId` is out of its range.
 */
export function collate(
  examples: Examples,
  rows: number[],
  padTokenId: number,
  padToMultipleOf = 1,
): Batch {
  const texts = rows.map((row) => examples.inputIds[row] ?? missing(examples, row));
  texts.forEach((ids, i) => checkIds(ids, rows[i]!));
  const longest = texts.reduce((longest, ids) => Math.max(longest, ids.length), 0);
  requireWhole("the longest row's length", longest, 1, LONGEST);
  requireWhole("'padToMultipleOf'", padToMultipleOf, 1, LONGEST);
  requireWhole("'padTokenId'", padTokenId, 0, MOST);
  const length = Math.ceil(longest / padToMultipleOf) * padToMultipleOf;
  const inputIds = new Int32Array(rows.length * length).fill(padTokenId);
  const attentionMask = new Int32Array(rows.length * length);
  texts.forEach((ids, i) => {
    inputIds.set(ids, i * length);
    attentionMask.fill(1, i * length, i * length + ids.length);
  });
  const labels = Int32Array.from(rows, (row) => labelOf(examples, row));
  return { inputIds, attentionMask, labels, rows, size: rows.length, length };
}

/**
 * Cuts an order of rows into padded batches; the last one may be smaller.
 *
 * @throws {RangeError} When the batch size is not a whole number above 0, or as {@link collate} does.
 *
 * @example
 * ```ts
 * import { batches } from "lightweight-finetuning";
 * const examples = { inputIds: [[2, 7, 3], [2, 3], [2, 9, 8, 3]], labels: [0, 1, 1] };
 * for (const { inputIds, length } of batches(examples, [2, 0, 1], 2, 0)) console.log(length, inputIds);
 * ```
 */
export function* batches(
  examples: Examples,
  order: number[],
  batchSize: number,
  padTokenId: number,
  padToMultipleOf = 1,
): Generator<Batch> {
  requireWhole("'batchSize'", batchSize, 1, Infinity);
  for (let start = 0; start < order.length; start += batchSize) {
    const rows = order.slice(start, start + batchSize);
    yield collate(examples, rows, padTokenId, padToMultipleOf);
  }
}

/** Sorts rows from longest to shortest: least padding, and the batch that needs most memory comes first. */
export function byLength(examples: Examples): number[] {
  const length = (row: number) => examples.inputIds[row]?.length ?? 0;
  return examples.inputIds.map((_, row) => row).sort((a, b) => length(b) - length(a) || a - b);
}

/** The largest number of an Int32Array. */
const MOST = 2 ** 31 - 1;

const isWhole = (value: number, least: number, most: number) =>
  (Number.isInteger(value) || value === Infinity) && value >= least && value <= most;

function requireWhole(what: string, value: number, least: number, most: number) {
  if (isWhole(value, least, most)) return;
  const range = most === Infinity ? `from ${least}` : `from ${least} to ${most}`;
  throw new RangeError(
    `Cannot make a batch as ${what} must be a whole number ${range}: current value is ` +
      Deno.inspect(value),
  );
}

/** Refuses ids that an Int32Array would change. */
function checkIds(ids: ArrayLike<number>, row: number): void {
  const wrong = Array.prototype.findIndex.call(ids, (id) => !isWhole(id, 0, MOST));
  if (ids.length && wrong < 0) return;
  throw new RangeError(
    "Cannot make a batch as a row must have ids that are whole numbers, at least one: current " +
      `value in row ${row} (the first is 0) is ${ids.length ? Deno.inspect(ids[wrong]) : "no id"}`,
  );
}

function labelOf(examples: Examples, row: number): number {
  const label = examples.labels[row] ?? missing(examples, row);
  if (Number.isInteger(label)) return label;
  throw new RangeError(
    "Cannot make a batch as a label must be a whole number: current value in row " +
      `${row} (the first is 0) is ${Deno.inspect(label)}`,
  );
}

function missing({ inputIds, labels }: Examples, row: number): never {
  const count = Math.min(inputIds.length, labels.length);
  throw new RangeError(
    `Cannot make a batch as 'row' must be below ${count}: current value is ${row}`,
  );
}
