import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import pl from "nodejs-polars";
import { isFile } from "../hub/blob.ts";
import type { Dataset, DatasetOptions } from "./dataset.ts";
import { checkRows, column } from "./rows.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Loads a csv file and cuts it as {@link loadDataset} says. */
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
  const frame = pl.readCSV(path, { inferSchemaLength: 0 }); // every column a String
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
  for (const label of labels) {
    const found = names.filter((name) => name === label).length;
    if (found >= bounds[3]!) continue;
    throw new RangeError(
      `Cannot cut ${file} as class ${label} must have ${
        bounds[3]
      } rows: current value is ${found};` +
        " add rows, or lower 'trainRows', 'evaluationRows' or 'testRows'",
    );
  }
  const ranked = rows.withColumns(pl.intRange(0, pl.len()).over("label").alias("rank"));
  const rank = pl.col("rank");
  const part = (i: number) =>
    ranked.filter(rank.gtEq(bounds[i]!).and(rank.lt(bounds[i + 1]!))).select("text", "label");
  return { labels, train: part(0), evaluation: part(1), test: part(2) };
}
