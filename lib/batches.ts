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
 * Pads the chosen rows to the longest among them, as Transformers' DataCollatorWithPadding does.
 *
 * @param padToMultipleOf The padded length is a multiple of this. @default {1}
 * @throws {RangeError} When a row has no ids or no label, or a number is not whole or out of its range.
 */
export function collate(
  examples: Examples,
  rows: number[],
  padTokenId: number,
  padToMultipleOf = 1,
): Batch {
  const texts = rows.map((row) => examples.inputIds[row] ?? missing(examples, row));
  const longest = texts.reduce((longest, ids) => Math.max(longest, ids.length), 0);
  requireWhole("the longest row's length", longest, 1, LONGEST);
  requireWhole("'padToMultipleOf'", padToMultipleOf, 1, LONGEST);
  requireWhole("'padTokenId'", padTokenId, 0, MOST);
  const length = Math.ceil(longest / padToMultipleOf) * padToMultipleOf;
  const inputIds = new Int32Array(rows.length * length).fill(padTokenId);
  const attentionMask = new Int32Array(rows.length * length);
  texts.forEach((ids, i) => {
    const wrong = Array.prototype.find.call(ids, (id) => !isWhole(id, 0, MOST));
    if (wrong !== undefined) requireWhole(`an id of row ${rows[i]}`, wrong, 0, MOST);
    inputIds.set(ids, i * length);
    attentionMask.fill(1, i * length, i * length + ids.length);
  });
  const labels = Int32Array.from(rows, (row) => examples.labels[row] ?? missing(examples, row));
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

function missing({ inputIds, labels }: Examples, row: number): never {
  const count = Math.min(inputIds.length, labels.length);
  throw new RangeError(
    `Cannot make a batch as 'row' must be below ${count}: current value is ${row}`,
  );
}
