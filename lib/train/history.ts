import { writeFile } from "../files.ts";
import type { HistoryRecord, TrainerListener } from "./events.ts";

/**
 * Writes the history to a JSON file at the beginning and whenever a record is added; the file is whole at any time. A
 * run that goes on keeps the records from before.
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
