import type { Batch } from "../batches.ts";

/**
 * Computes something of a batch.
 *
 * @param remedy What to do where the device has too little memory for it.
 * @throws {Error} In that case; the message tells the batch's size.
 */
export function withMemoryFor<T>({ size, length }: Batch, remedy: string, compute: () => T): T {
  try {
    return compute();
  } catch (error) {
    if (!/\bOOM\b|resource exhausted/i.test(String(error))) throw error;
    throw new Error(
      `Cannot compute a batch of ${size} rows × ${length} tokens as the device's memory is full: ` +
        `${remedy}, or truncate the texts to fewer tokens`,
      { cause: error },
    );
  }
}
