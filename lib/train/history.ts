import { dirname } from "node:path";
import type { HistoryRecord, TrainerListener } from "./events.ts";

/** Writes the history to a JSON file at the beginning and whenever a record is added; the file is whole at any time. */
export function writeHistory(path: string): TrainerListener {
  const records: HistoryRecord[] = [];
  return async (event) => {
    if (event.type === "record") records.push(event.record);
    else if (event.type !== "begin") return;
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(`${path}.partial`, JSON.stringify(records, null, 2) + "\n");
    await Deno.rename(`${path}.partial`, path);
  };
}

/** Reads what {@link writeHistory} wrote. */
export async function readHistory(path: string): Promise<HistoryRecord[]> {
  return JSON.parse(await Deno.readTextFile(path));
}
