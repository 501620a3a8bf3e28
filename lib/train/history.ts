import { writeFile } from "../files.ts";
import type { HistoryRecord, TrainerListener } from "./events.ts";

/**
 * Writes the history to a JSON file when the run begins and whenever a record is added; the file is always whole. A
 * resumed run keeps the earlier records.
 *
 * @param path Path of the file.
 * @returns A listener for a Trainer; it throws an Error when the file cannot be written.
 */
export function writeHistory(path: string): TrainerListener {
  let records: HistoryRecord[] = [];
  return async (event) => {
    if (event.type === "begin") records = [...event.history ?? []];
    else if (event.type === "record") records.push(event.record);
    else return;
    try {
      await writeFile(path, JSON.stringify(records, null, 2) + "\n");
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
