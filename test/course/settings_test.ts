import assert from "node:assert/strict";
import { defaultSettings, profile, type Settings } from "course";
import { checkSettings, checkVariables, SETTING_NAMES, variableOf } from "../../course/settings.ts";
import { temporaryFolder } from "../helpers/altered.ts";
import { withEnvironment } from "../helpers/environment.ts";

/** A value of each setting, other than every profile's, and how the environment says it. */
const OTHERS: [name: keyof Settings, value: unknown, text: string][] = [
  ["data", "reviews.csv", "reviews.csv"],
  ["dataConfig", "en", "en"],
  ["textColumns", ["title", "body"], "title, body"],
  ["labelColumn", "stars", "stars"],
  ["skipIncomplete", true, "true"],
  ["trainRows", 1000, "1000"],
  ["evaluationRows", 0.05, "0.05"],
  ["testRows", 7, "7"],
  ["model", "FacebookAI/roberta-large", "FacebookAI/roberta-large"],
  ["numTrainEpochs", 1.5, "1.5"],
  ["perDeviceTrainBatchSize", 4, "4"],
  ["learningRate", 3e-4, "3e-4"],
  ["fullLearningRate", 1e-6, "0.000001"],
  ["classWeights", [1, 2.5], "1,2.5"],
  ["bf16", true, "true"],
  ["r", 16, "16"],
  ["loraAlpha", 32, "32"],
  ["loraDropout", 0.25, ".25"],
  ["targetModules", ["query", "key"], "query,key"],
  ["seed", 0, "0"],
];

Deno.test("defaultSettings() has the numbers of each profile", () => {
  for (const name of ["sample", "quick", "seed"]) {
    const { lora, full, adapter, seed, modelName } = profile(name);
    const settings = defaultSettings(name);
    assert.equal(settings.profile, name);
    assert.equal(settings.model, modelName);
    assert.equal(settings.learningRate, adapter.learningRate);
    assert.equal(settings.fullLearningRate, full.learningRate);
    assert.equal(settings.numTrainEpochs, adapter.numTrainEpochs);
    assert.equal(settings.numTrainEpochs, full.numTrainEpochs); // one setting for both
    assert.equal(settings.perDeviceTrainBatchSize, adapter.perDeviceTrainBatchSize);
    assert.equal(settings.perDeviceTrainBatchSize, full.perDeviceTrainBatchSize);
    assert.deepEqual([settings.bf16, settings.bf16], [adapter.bf16, full.bf16]);
    assert.deepEqual([settings.r, settings.loraAlpha, settings.loraDropout], [
      lora.r,
      lora.loraAlpha,
      lora.loraDropout,
    ]);
    assert.equal(settings.seed, seed);
  }
  assert.equal(defaultSettings("sample").data, "data/headlines.csv");
  assert.equal(defaultSettings("quick").data, "fancyzhx/ag_news");
});

Deno.test("the environment and a file of YAML or JSON give the same settings", async () => {
  await using folder = await temporaryFolder();
  assert.deepEqual(OTHERS.map(([name]) => name), SETTING_NAMES.slice(1));
  const variables = OTHERS.map(([name, , text]) => [variableOf(name), text]);
  const byEnvironment = await withEnvironment(
    Object.fromEntries(variables),
    () => defaultSettings("sample"),
  );
  const wanted = { profile: "quick", ...Object.fromEntries(OTHERS) };
  assert.deepEqual(byEnvironment, { ...wanted, profile: "sample" });
  const path = `${folder.path}/mine.yaml`;
  const byFile = () => withEnvironment({ SETTINGS: path, PROFILE: "" }, () => defaultSettings());
  await Deno.writeTextFile(path, JSON.stringify(wanted));
  assert.deepEqual(await byFile(), wanted);
  const line = ([name, value]: [string, unknown, string]) => `${name}: ${JSON.stringify(value)}`;
  const lines = OTHERS.map(line).map((text) => `${text} # a comment`);
  await Deno.writeTextFile(path, `profile: quick\n${lines.join("\n")}\n`);
  assert.deepEqual(await byFile(), wanted);
});

Deno.test("the environment counts more than the file, and the file more than the profile", async () => {
  await using folder = await temporaryFolder();
  const SETTINGS = `${folder.path}/mine.yaml`;
  await Deno.writeTextFile(SETTINGS, "profile: quick\nr: 16\nseed: 7\nlabelColumn: null\n");
  const set = (variables: Record<string, string>) =>
    withEnvironment({ SETTINGS, PROFILE: "", ...variables }, () => defaultSettings());
  const { profile, r, seed, loraAlpha, labelColumn } = await set({ SEED: "8", R: "" });
  assert.deepEqual([profile, r, seed, loraAlpha, labelColumn], ["quick", 16, 8, 16, undefined]);
  assert.equal((await set({ PROFILE: "seed" })).model, "FacebookAI/roberta-base");
  await Deno.writeTextFile(SETTINGS, "");
  assert.equal((await set({})).profile, "sample");
});

Deno.test("a settings file that cannot be used is an error of one line", async () => {
  await using folder = await temporaryFolder();
  const SETTINGS = `${folder.path}/mine.yaml`;
  const refused = async (content: string, message: RegExp) => {
    await Deno.writeTextFile(SETTINGS, content);
    await assert.rejects(
      withEnvironment({ SETTINGS, PROFILE: "" }, () => defaultSettings()),
      (error: Error) => {
        assert.match(error.message, message);
        assert.ok(!error.message.includes("\n"), error.message);
        return true;
      },
    );
  };
  await refused(
    "learningrat: 1",
    /mine\.yaml as an option .* 'learningrat'\. Did you mean 'learningRate'\?/,
  );
  await refused("rank: 8", /Did you mean 'r'\?/);
  await refused("r: [1", /Cannot use the settings in \S+mine\.yaml as it must be a file of YAML/);
  await refused("- r", /its content is \["r"\]/);
  await refused("profile: fast", /must be one of sample, quick, seed: current value is "fast"/);
  await Deno.remove(SETTINGS);
  await assert.rejects(
    withEnvironment({ SETTINGS }, () => defaultSettings()),
    /mine\.yaml as it must be .*No such file/,
  );
});

Deno.test("a value out of its range is refused with its meaning", () => {
  const good = defaultSettings("sample");
  const wrong: [name: keyof Settings, value: unknown, meaning: RegExp][] = [
    ["data", "", /'data' must be a file, .*: current value is ""/],
    ["data", { test: "a.csv" }, /'data' must be .*: current value is {"test":"a\.csv"}/],
    ["textColumns", [], /'textColumns' must be a name, or several: current value is \[\]/],
    ["labelColumn", 3, /'labelColumn' must be a text: current value is 3/],
    [
      "skipIncomplete",
      "perhaps",
      /'skipIncomplete' must be true or false: current value is "perhaps"/,
    ],
    ["trainRows", 1.5, /'trainRows' must be a number of rows above 0, or a share below 1/],
    ["testRows", 0, /'testRows' must be .*: current value is 0/],
    ["numTrainEpochs", "two", /'numTrainEpochs' must be a number above 0: current value is "two"/],
    ["perDeviceTrainBatchSize", 0.5, /'perDeviceTrainBatchSize' must be a whole number above 0/],
    ["learningRate", -1, /'learningRate' must be a number above 0: current value is -1/],
    ["learningRate", Infinity, /'learningRate' must be a number above 0/],
    ["classWeights", "heavy", /'classWeights' must be "balanced", or a number for each class/],
    ["loraDropout", 1, /'loraDropout' must be a number from 0 to below 1: current value is 1/],
    ["seed", -1, /'seed' must be a whole number, at least 0: current value is -1/],
  ];
  for (const [name, value, message] of wrong) {
    assert.throws(() => checkSettings({ ...good, [name]: value }), { name: "RangeError", message });
  }
  const unknown = { ...good, epochs: 3 };
  assert.throws(() => checkSettings(unknown), { message: /Did you mean 'numTrainEpochs'\?/ });
});

Deno.test("checkVariables() refuses a name that is no setting's, and passes those of other programs", () => {
  checkVariables([
    "DATA",
    "LEARNING_RATE",
    "PROFILE",
    "RUNS",
    "TEXT",
    "HF_TOKEN",
    "CUDA_VISIBLE_DEVICES",
  ]);
  const refused = (name: string, nearest: string) =>
    assert.throws(() => checkVariables(["DATA", name]), {
      name: "TypeError",
      message: new RegExp(`current value is '${name}'\\. Did you mean '${nearest}'\\?$`),
    });
  refused("LERNING_RATE", "LEARNING_RATE");
  refused("learningRate", "LEARNING_RATE");
  refused("TRAINROWS", "TRAIN_ROWS");
});
