import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  beginRun,
  defaultSettings,
  loadRunData,
  openRun,
  profile,
  runName,
  type Settings,
} from "course";
import { temporaryFolder } from "../helpers/altered.ts";
import { withEnvironment } from "../helpers/environment.ts";

const none = { RUN: "", DATA: "", SETTINGS: "", PROFILE: "" };

/** A folder for runs and, in it, a file of rows. */
async function begin(settings: Partial<Settings>, csv = "") {
  const folder = await temporaryFolder();
  const file = `${folder.path}/reviews.csv`;
  await Deno.writeTextFile(file, csv);
  const open = <T>(work: () => Promise<T>) => withEnvironment({ ...none, RUNS: folder.path }, work);
  const all = { ...defaultSettings("sample"), ...settings };
  if (csv) all.data = file;
  return { ...folder, file, open, run: await open(() => beginRun(all)) };
}

const csv = "review,stars\n" +
  Array.from({ length: 40 }, (_, i) => `number ${i},${i % 4}\n`).join("");

Deno.test("runName() is RUN, or the name of the data or settings file, or the profile", async () => {
  const nameOf = (variables: Record<string, string>) =>
    withEnvironment({ ...none, ...variables }, runName);
  assert.equal(await nameOf({}), "sample");
  assert.equal(await nameOf({ PROFILE: "quick" }), "quick");
  assert.equal(await nameOf({ PROFILE: "quick", SETTINGS: "mine/high rank.yaml" }), "high-rank");
  assert.equal(await nameOf({ DATA: "/a/Meine Käufe.csv.gz", SETTINGS: "a.yaml" }), "Meine-Käufe");
  assert.equal(await nameOf({ DATA: "organisation/name" }), "name");
  assert.equal(await nameOf({ DATA: "my.csv", RUN: "my-16" }), "my-16");
  assert.equal(await nameOf({ DATA: ".." }), "-");
  assert.equal(await nameOf({ RUN: "../x" }), "x");
});

Deno.test("a run with the profile's settings is the profile", async () => {
  await using sample = await begin({});
  const { settings, folder, rows, ...others } = sample.run;
  const { folder: _, rows: theirs, ...profiles } = profile("sample");
  assert.deepEqual(others, profiles);
  assert.deepEqual(rows, { ...theirs, skipIncomplete: false });
  assert.equal(folder, `${sample.path}/sample`);
  assert.deepEqual(settings, defaultSettings("sample"));
});

Deno.test("openRun() follows what beginRun() has kept", async () => {
  const settings = { r: 4, loraAlpha: 8, learningRate: 1e-3, fullLearningRate: 1e-5, bf16: true };
  await using own = await begin({ ...settings, trainRows: 0.5, labelColumn: "stars" }, csv);
  assert.deepEqual(await own.open(openRun), own.run);
  const { lora, adapter, full, rows, dataset } = own.run;
  assert.deepEqual([lora.r, lora.loraAlpha, adapter.learningRate, full.learningRate], [
    4,
    8,
    1e-3,
    1e-5,
  ]);
  assert.deepEqual(rows, { trainRows: 0.5, labelColumn: "stars", skipIncomplete: false });
  assert.deepEqual([adapter.bf16, full.bf16], [true, true]);
  assert.deepEqual(dataset, { file: own.file });
  assert.deepEqual([adapter.evalSteps, full.evalSteps, full.saveSteps], [0.1, 0.1, 0.1]);
  const { labels, train } = await loadRunData(own.run);
  assert.deepEqual([labels, train.height], [["0", "1", "2", "3"], 20]);
  await Deno.remove(`${own.path}/sample/settings.json`);
  await assert.rejects(own.open(openRun), { message: /Run the notebook 01-load again$/ });
});

Deno.test("settings that are texts, as papermill gives them, are those of their own types", async () => {
  const texts = { r: "4", learningRate: "3e-4", textColumns: "review", labelColumn: "stars" };
  await using own = await begin(texts as unknown as Settings, csv);
  const { r, learningRate, textColumns } = own.run.settings;
  assert.deepEqual([r, learningRate, textColumns], [4, 3e-4, "review"]);
});

Deno.test("another model takes its own layers, and one in a folder is found", async () => {
  await using hub = await begin({ model: "distilbert/distilbert-base-uncased" });
  assert.deepEqual(hub.run.model, { hub: "distilbert/distilbert-base-uncased" });
  assert.equal(hub.run.lora.targetModules, undefined);
  await using named = await begin({ model: "a/b", targetModules: ["key"] });
  assert.deepEqual(named.run.lora.targetModules, ["key"]);
  const folder = fileURLToPath(new URL("../fixtures/bert", import.meta.url));
  await using local = await begin({ model: folder });
  assert.deepEqual(local.run.model, { folder });
});

Deno.test("data is looked for where JupyterLab puts it, and a missing file is an error with the nearest", async () => {
  const uploaded = new URL(`../../notebooks/upload-${crypto.randomUUID()}.csv`, import.meta.url);
  await Deno.writeTextFile(uploaded, csv);
  const name = uploaded.href.split("/").at(-1)!;
  try {
    await using own = await begin({ data: name, labelColumn: "stars" });
    assert.equal(own.run.settings.data, `notebooks/${name}`);
    assert.equal((await loadRunData(own.run)).train.height, 32);
    await using parts = await begin({ data: { train: name, test: name } });
    assert.deepEqual(parts.run.settings.data, {
      train: `notebooks/${name}`,
      test: `notebooks/${name}`,
    });
    await assert.rejects(begin({ data: name.replace("upload", "uplaod") }), {
      name: "RangeError",
      message: new RegExp(`'data' must be a file, or .* Did you mean 'notebooks/${name}'\\?$`),
    });
  } finally {
    await Deno.remove(uploaded);
  }
  await using hub = await begin({ data: "organisation/name", dataConfig: "en" });
  assert.deepEqual(hub.run.dataset, { hub: "organisation/name", config: "en" });
});

Deno.test("loadRunData() says how to set here what its error proposes", async () => {
  await using own = await begin({}, csv.replace("stars", "the verdict"));
  await assert.rejects(loadRunData(own.run), (error: Error) => {
    assert.match(error.message, /"the verdict", such as/);
    assert.ok(
      error.message.endsWith(
        "In the settings cell of notebook 1 that is: " +
          `let textColumns = "review"; let labelColumn = "the verdict";\n` +
          "Or add to make run: TEXT_COLUMNS=review LABEL_COLUMN='the verdict'",
      ),
      error.message,
    );
    return true;
  });
  await using gap = await begin({}, "text,label\na,x\nb,\nc,y\n");
  await assert.rejects(loadRunData(gap.run), {
    message:
      /notebook 1 that is: let skipIncomplete = true;\nOr add to make run: SKIP_INCOMPLETE=true$/,
  });
});
