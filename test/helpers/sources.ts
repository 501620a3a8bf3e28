import { fileURLToPath } from "node:url";
import type { DataFrame } from "nodejs-polars";
import type { DatasetOptions } from "../../lib/dataset/dataset.ts";
import { serveHub } from "./hub_server.ts";

export const HUB = fileURLToPath(new URL("../fixtures/hub", import.meta.url));
export const NEWS = { hub: "tiny/news" };

/** Serves a folder in the Hub's layout, with an empty cache. */
export async function withHub<T>(
  folder: string,
  use: (options: DatasetOptions & { cacheFolder: string }) => Promise<T>,
): Promise<T> {
  const cacheFolder = await Deno.makeTempDir();
  const hub = serveHub(folder);
  try {
    return await use({ endpoint: hub.url, cacheFolder, offline: false });
  } finally {
    await hub.close();
    await Deno.remove(cacheFolder, { recursive: true });
  }
}

/** Serves tiny/news under the name of AG News, whose test split is halved. */
export async function withHalved<T>(
  use: (options: DatasetOptions & { cacheFolder: string }) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/datasets/fancyzhx/ag_news/data`, { recursive: true });
  const data = `${HUB}/datasets/tiny/news/data`;
  for (const { name } of Deno.readDirSync(data)) {
    await Deno.copyFile(`${data}/${name}`, `${folder}/datasets/fancyzhx/ag_news/data/${name}`);
  }
  return await withHub(folder, use).finally(() => Deno.remove(folder, { recursive: true }));
}

/** Serves tiny/news with this train split. */
export async function withTrainSplit<T>(
  parquet: string,
  use: (options: DatasetOptions) => Promise<T>,
): Promise<T> {
  const folder = await Deno.makeTempDir();
  const data = `${folder}/datasets/tiny/news/data`;
  await Deno.mkdir(data, { recursive: true });
  const test = "test-00000-of-00001.parquet";
  await Deno.copyFile(`${HUB}/datasets/tiny/news/data/${test}`, `${data}/${test}`);
  await Deno.copyFile(parquet, `${data}/train-00000-of-00001.parquet`);
  return await withHub(folder, use).finally(() => Deno.remove(folder, { recursive: true }));
}

/** A csv file with this content. */
export async function withCsv<T>(
  content: string | Uint8Array,
  use: (file: string) => Promise<T>,
): Promise<T> {
  const file = await Deno.makeTempFile({ suffix: ".csv" });
  await Deno.writeFile(
    file,
    typeof content === "string" ? new TextEncoder().encode(content) : content,
  );
  return await use(file).finally(() => Deno.remove(file));
}

export const values = (frame: DataFrame, column: string) => frame.getColumn(column).toArray();

/** Keeps what console.warn is told until the end of the block: `using warnings = caughtWarnings()`. */
export function caughtWarnings() {
  const { warn } = console;
  const said: string[] = [];
  console.warn = (message: string) => void said.push(message);
  return { said, [Symbol.dispose]: () => void (console.warn = warn) };
}

/** Keeps what console.log is told until the end of the block. */
export function caughtLines() {
  const { log } = console;
  const lines: string[] = [];
  console.log = (line: string) => void lines.push(line);
  return { lines, [Symbol.dispose]: () => void (console.log = log) };
}
