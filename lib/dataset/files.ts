import { join } from "node:path";
import pl from "nodejs-polars";
import { leftBy } from "../left_by.ts";
import type { Dataset } from "./dataset.ts";

const PARTS = ["train", "evaluation", "test"] as const;

/**
 * Writes train.parquet, evaluation.parquet, test.parquet and labels.json (a list of names) into
 * `folder`, which is made where there is none.
 */
export async function saveDataset(dataset: Dataset, folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for (const part of PARTS) dataset[part].writeParquet(join(folder, `${part}.parquet`));
  await Deno.writeTextFile(join(folder, "labels.json"), JSON.stringify(dataset.labels) + "\n");
}

/**
 * Reads what {@link saveDataset} wrote.
 *
 * @param notebook the one that writes the folder, named when a file is missing
 * @throws Error when a file is missing.
 */
export async function openDataset(folder: string, notebook = "01-load"): Promise<Dataset> {
  for (const file of [...PARTS.map((part) => `${part}.parquet`), "labels.json"]) {
    await leftBy(notebook, join(folder, file));
  }
  const part = (name: string) => pl.readParquet(join(folder, `${name}.parquet`));
  return {
    labels: JSON.parse(await Deno.readTextFile(join(folder, "labels.json"))),
    train: part("train"),
    evaluation: part("evaluation"),
    test: part("test"),
  };
}
