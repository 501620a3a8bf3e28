import { fileURLToPath } from "node:url";
import { fetchBaseModel, profile } from "course";
import { loadDataset } from "lightweight-finetuning";
import { downloadSnapshot } from "lightweight-finetuning/hub";
import { isFile } from "../lib/files.ts";
import { TOKENIZER_FILES } from "../lib/hub/model.ts";
import { serveHub } from "../test/helpers/hub_server.ts";
import { MIRROR, MIRROR_MISSING } from "../test/helpers/mirror.ts";
import { SIZES } from "./lines.ts";

export const ROOT = fileURLToPath(new URL("../", import.meta.url));
/** Where all sides find what they work on. */
export const FOLDER = `${ROOT}runs/bench`;
export const PYTHON = Deno.env.get("PARITY_PYTHON") ?? `${ROOT}.venv-parity/bin/python`;

/**
 * Brings what the tasks need into {@link FOLDER}; what is there stays. What cannot be had is named, and the tasks that
 * need it are skipped. AG News and RoBERTa's tokenizer come from a mirror beside the project, else from the Hub.
 */
export async function prepare() {
  await Deno.mkdir(`${FOLDER}/roberta`, { recursive: true });
  await using hub = openHub();
  const { options } = hub;
  const { model, dataset } = profile("seed");

  await bring("minilm/model.safetensors", async () => {
    await Deno.symlink(await fetchBaseModel(profile("sample")), `${FOLDER}/minilm`);
  });
  await bring("batch.json", () => writeBatch("batch.json", 16, 64));
  await bring("roberta/model.safetensors", () => python("make"));
  await bring("roberta/tokenizer.json", async () => {
    const { hub: name, revision } = hub.revised(model) as { hub: string; revision: string };
    const wanted = new RegExp(`^(${TOKENIZER_FILES.join("|").replaceAll(".", "\\.")})$`);
    const required = { "tokenizer.json": wanted };
    const folder = await downloadSnapshot(
      { type: "model", name, revision, wanted, required },
      options,
    );
    for (const { name } of Deno.readDirSync(folder)) {
      if (wanted.test(name)) await Deno.copyFile(`${folder}/${name}`, `${FOLDER}/roberta/${name}`);
    }
  });
  await bring("test.json", async () => {
    const { train, test } = await loadDataset(hub.revised(dataset), options);
    train.head(SIZES.whole.allRows).writeParquet(`${FOLDER}/train.parquet`);
    test.writeParquet(`${FOLDER}/test.parquet`);
    await Deno.writeTextFile(
      `${FOLDER}/test.json`,
      JSON.stringify(test.getColumn("text").toArray()),
    );
  });
  await bring("onnx/onnx/model.onnx", () => python("export"));
}

/** The Hub, or a mirror of it beside the project. */
export function openHub() {
  const mirror = MIRROR_MISSING ? undefined : serveHub(MIRROR);
  return {
    options: mirror ? { endpoint: mirror.url, cacheFolder: `${FOLDER}/hub` } : {},
    /** A source at the revision that a mirror has. */
    revised: <Source extends object>(source: Source): Source => ({
      ...source,
      ...mirror && { revision: "main" },
    }),
    async [Symbol.asyncDispose]() {
      await mirror?.close();
    },
  };
}

async function bring(file: string, action: () => Promise<void>) {
  if (await isFile(`${FOLDER}/${file}`)) return;
  console.log(`making ${file} …`);
  await action().catch((error) => console.log(`  without it: ${error.message}`));
}

async function python(task: string) {
  const args = [`${ROOT}bench/reference.py`, task];
  const { success, stderr } = await new Deno.Command(PYTHON, { args, cwd: FOLDER }).output();
  if (!success) throw new Error(lastLine(stderr));
}

export const lastLine = (output: Uint8Array): string =>
  new TextDecoder().decode(output).trimEnd().split("\n").at(-1)!;

/** Rows of equal length; ids that no tokenizer uses for padding. */
export async function writeBatch(file: string, size: number, length: number) {
  const inputIds = Array.from(
    { length: size },
    (_, row) => Array.from({ length }, (_, i) => 1000 + (row * 7919 + i * 10_477) % 29_000),
  );
  const labels = inputIds.map((_, row) => row % 4);
  await Deno.writeTextFile(`${FOLDER}/${file}`, JSON.stringify({ inputIds, labels }));
}
