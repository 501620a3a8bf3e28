/** Presses Stop in tasks, in a process of its own as `deno test` ends at SIGINT. */
import assert from "node:assert/strict";
import pl from "nodejs-polars";
import {
  downloadModel,
  evaluate,
  loadClassifier,
  loadTokenizer,
  openDevice,
  tokenize,
} from "lightweight-finetuning";
import { listenForInterrupt, stopPoint } from "../../lib/interrupt.ts";
import { serveHub } from "./hub_server.ts";
import { readReference } from "./reference.ts";
import { HUB } from "./sources.ts";
import { examples } from "./training.ts";

const press = () => Deno.kill(Deno.pid, "SIGINT");
Deno.addSignalListener("SIGINT", () => {}); // a late one would end the process

const tokenizer = await loadTokenizer(`${HUB}/models/tiny/wordpiece`);
const frame = pl.DataFrame({ text: new Array(5000).fill("The home team won") });
await assert.rejects(tokenize(frame, tokenizer, (rows) => rows === 2000 && press()), {
  message: /^Stopped: tokenizing ended after [2-4]000 of 5000 texts\. Run the cell again/,
});
assert.equal((await tokenize(frame, tokenizer)).height, 5000);

const cacheFolder = await Deno.makeTempDir();
const hub = serveHub(HUB);
const options = { endpoint: hub.url, cacheFolder, offline: false };
const source = { hub: "tiny/wordpiece" };
await assert.rejects(
  downloadModel(source, { ...options, onProgress: press }),
  /^Error: Stopped: the download ended within .*; what has arrived is kept\. Run/,
);
const folder = await downloadModel(source, options);
assert.ok((await Deno.stat(`${folder}/model.safetensors`)).isFile);
await hub.close();
await Deno.remove(cacheFolder, { recursive: true });

await openDevice();
const reference = await readReference("bert");
const model = await loadClassifier(reference.folder);
const rows = examples(reference, 5);
const onBatch = (batch: number) => {
  if (batch === 2) press();
};
await assert.rejects(
  evaluate(model, rows, { batchSize: 2, onBatch }),
  /^Error: Stopped: the evaluation ended after \d of \d+ batches\. Run/,
);
const { predictions } = await evaluate(model, rows, { batchSize: 2 });
assert.equal(predictions.length, rows.labels.length);

// Within a loop that listens, the loop decides.
using interrupt = listenForInterrupt();
using stop = stopPoint("a task");
press();
while (!interrupt.signal.aborted) await new Promise((resolve) => setTimeout(resolve));
await stop.pass("at its start");
Deno.exit(0);
