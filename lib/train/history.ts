import { writeFile } from "../files.ts";
import type { HistoryRecord, TrainerListener } from "./events.ts";

/** A file of more records is written when it has grown by one in so many: all writes together then grow as it does. */
const EACH = 100;

/**
 * Writes the history to a JSON file when the run begins, whenever a record is added, and when the run ends or is stopped;
 * beyond 100 records, whenever it has grown by a hundredth. The file is always whole. A resumed run keeps the earlier
 * records.
 *
 * @param path Path of the file.
 * @returns A listener for a Trainer; it throws an Error when the file cannot be written.
 */
export function writeHistory(path: string): TrainerListener {
  let records: HistoryRecord[] = [];
  let written = 0;
  return async (event) => {
    if (event.type === "begin") [records, written] = [[...event.history ?? []], -1];
    else if (event.type === "record") records.push(event.record);
    else if (event.type !== "end") return;
    const added = records.length - written;
    if (added === 0 || event.type === "record" && added < records.length / EACH) return;
    try {
      await writeFile(path, JSON.stringify(records, null, 2) + "\n");
      written = records.length;
    } catch (error) {
      throw new Error(
        `Cannot write ${path}: ${(error as Error).message}. Make room there and call resume(): ` +
          "nothing is lost",
        { cause: error },
      );
    }
  };
}

/** Reads what {@link writeHistory} wrote. */
export async function readHistory(path: string): Promise<HistoryRecord[]> {
  return JSON.parse(await Deno.readTextFile(path));
}
