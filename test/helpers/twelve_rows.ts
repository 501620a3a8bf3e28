/** Trains a LoRA adapter on twelve rows and saves it: a program that needs the library alone. */
import { addLora, loadClassifier, saveAdapter, Trainer } from "lightweight-finetuning";

const [modelFolder = "", adapterFolder = ""] = Deno.args;
const model = await loadClassifier(modelFolder, { labels: ["a", "b", "c", "d"] });
const adapter = addLora(model, { r: 2, loraDropout: 0.1 });
const rows = {
  inputIds: Array.from({ length: 12 }, (_, row) => [2, 5 + row, 20 - row, 3]),
  labels: Array.from({ length: 12 }, (_, row) => row % 4),
};
await new Trainer(adapter, { trainDataset: rows, evalDataset: rows, maxSteps: 3 }).train();
await saveAdapter(adapter, adapterFolder);
