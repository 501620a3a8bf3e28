import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import pl, { type DataFrame } from "nodejs-polars";
import { isFile } from "../files.ts";
import { csvRecords } from "./csv_records.ts";
import type { Dataset, DatasetOptions } from "./parts.ts";
import { checkRows, column } from "./rows.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Loads a csv file and cuts it as {@link loadDataset} says; each part also has the column row. */
export async function loadCsv(
  file: string,
  labels: string[] | undefined,
  { trainRows = 480, evaluationRows = 80, testRows = 80 }: DatasetOptions,
): Promise<Dataset> {
  const path = resolve(ROOT, file);
  if (!await isFile(path)) {
    throw new TypeError(
      `Cannot load a data set as 'file' must be a csv file, its path relative to ${ROOT}: current` +
        ` value is ${file}`,
    );
  }
  const frame = readCsv(await Deno.readFile(path), file);
  const names = column(frame, "label", file).filter((label) => label !== null) as string[];
  labels ??= [...new Set(names)];
  const rows = checkRows(frame, labels, file);

  // A class's rows are numbered in the file's order: those from 0 train, from the next bound on …
  const bounds = [0];
  for (const [option, value] of Object.entries({ trainRows, evaluationRows, testRows })) {
    if (!Number.isInteger(value) || value <= 0 || value % labels.length !== 0) {
      throw new RangeError(
        `Cannot cut ${file} as '${option}' must be a multiple of its ${labels.length} classes:` +
          ` current value is ${value}`,
      );
    }
    bounds.push(bounds.at(-1)! + value / labels.length);
  }
  labels.forEach((label, number) => {
    const found = rows.filter(pl.col("label").eq(number)).height;
    if (found >= bounds[3]!) return;
    throw new RangeError(
      `Cannot cut ${file} as class ${label} must have ${
        bounds[3]
      } rows: current value is ${found};` +
        " add rows, or lower 'trainRows', 'evaluationRows' or 'testRows'",
    );
  });
  const ranked = rows.withColumns(pl.intRange(0, pl.len()).over("label").alias("rank"));
  const rank = pl.col("rank");
  const part = (i: number) =>
    ranked.filter(rank.gtEq(bounds[i]!).and(rank.lt(bounds[i + 1]!))).drop("rank");
  return { labels, train: part(0), evaluation: part(1), test: part(2) };
}

function readCsv(bytes: Uint8Array, file: string): DataFrame {
  const [header = [], ...records] = csvRecords(decode(bytes, file), file);
  const columns = [...new Set(header)].map((name) => {
    const i = header.indexOf(name);
    return pl.Series(name ?? "", records.map((record) => record[i]), pl.Utf8);
  });
  return pl.DataFrame(columns);
}

/** The text of a file in UTF-8, without a byte order mark. */
function decode(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const [before = ""] = new TextDecoder().decode(bytes).split("\ufffd");
    throw new RangeError(
      `Cannot load ${file} as it must be in UTF-8, which line ${
        before.split("\n").length
      } is not;` +
        " save it as 'CSV UTF-8'",
    );
  }
}
