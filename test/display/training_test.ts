import assert from "node:assert/strict";
import { showTraining } from "../../lib/display/training.ts";
import type { TrainerEvent, TrainerListener } from "../../lib/train/events.ts";
import { inJupyter, printed } from "../helpers/jupyter.ts";

const rates = { learningRate: 1e-4, gradNorm: 1 };

const result = {
  trainRuntime: 125.12345,
  trainSamplesPerSecond: 63.9375,
  trainStepsPerSecond: 3.996,
  totalFlos: 1234567890123,
  trainLoss: 0.612345,
  epoch: 1,
  step: 500,
  stopped: false,
};

/** Steps 1 to 500 in 125 seconds; an evaluation before the first loss, and one after it. */
function* events(): Generator<TrainerEvent> {
  yield { type: "begin", totalSteps: 500, epochs: 1 };
  for (let step = 1; step <= 500; step++) {
    yield { type: "step", step, totalSteps: 500, epoch: step / 500, seconds: step / 4 };
    const at = { step, epoch: step / 500, ...rates };
    if (step === 250) {
      for (let batch = 1; batch <= 60; batch++) yield { type: "evaluate", batch, batches: 60 };
      yield { type: "record", record: { ...at, evalLoss: 0.9, accuracy: 0.65 } };
    }
    if (step === 300) yield { type: "record", record: { ...at, loss: 0.75 } };
    if (step === 500) {
      yield { type: "record", record: { ...at, evalLoss: 0.5, accuracy: 0.8125 } };
    }
  }
  yield { type: "end", result };
}

async function replay(listen: TrainerListener, list: Iterable<TrainerEvent>): Promise<void> {
  for (const event of list) await listen(event);
}

const table = [
  "Step  Training Loss  Validation Loss  Accuracy",
  " 250         No log         0.900000  0.650000",
  " 300       0.750000",
  " 500       0.750000         0.500000  0.812500",
].join("\n");

const figures = [
  "Figure                            Value",
  "train_runtime                  125.1235",
  "train_samples_per_second         63.938",
  "train_steps_per_second            3.996",
  "total_flos                1234567890123",
  "train_loss                     0.612345",
  "epoch                                 1",
].join("\n");

Deno.test("showTraining keeps one output up to date, and redraws it a few times only", async () => {
  const start = performance.now();
  const messages = await inJupyter(() => replay(showTraining(), events()));
  // Begin, three records, end, and five a second.
  const limit = 5 + (performance.now() - start) / 200;
  assert.ok(messages.length >= 5 && messages.length <= limit, `${messages.length} > ${limit}`);
  assert.equal(new Set(messages.map(({ content }) => content.transient.display_id)).size, 1);
  assert.deepEqual(
    messages.map(({ type }) => type),
    ["display_data", ...messages.slice(1).map(() => "update_display_data")],
  );

  const first = messages[0]!.content.data["text/plain"]!;
  assert.equal(first.split("\n")[0], "[ 0/500 00:00 < ?, 0.00 it/s, Epoch 0/1 ]");

  const { data } = messages.at(-1)!.content;
  assert.deepEqual(Object.keys(data), ["text/html", "text/plain"]);
  const position = "[ 500/500 02:05 < 00:00, 4.00 it/s, Epoch 1/1 ]";
  assert.equal(data["text/plain"], `${position}\n\n${table}\n\n${figures}`);
  const rows = [...data["text/html"]!.matchAll(/<tr>(.*?)<\/tr>/g)].map(([, row]) =>
    [...row!.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/g)].map(([, text]) => text)
  );
  assert.deepEqual(rows.slice(0, 4), [
    ["Step", "Training Loss", "Validation Loss", "Accuracy"],
    ["250", "No log", "0.900000", "0.650000"],
    ["300", "0.750000", "", ""],
    ["500", "0.750000", "0.500000", "0.812500"],
  ]);
  assert.deepEqual(rows.slice(5).map(([name]) => name), [
    "train_runtime",
    "train_samples_per_second",
    "train_steps_per_second",
    "total_flos",
    "train_loss",
    "epoch",
  ]);
  assert.equal(data["text/html"]!.match(/<progress/g)!.length, 1);
});

Deno.test("showTraining tells the time left of a resumed run, and shows an evaluation", async () => {
  const messages = await inJupyter(async () => {
    const listen = showTraining();
    const history = [{ step: 400, epoch: 0.8, learningRate: 1e-5, gradNorm: 1, loss: 0.125 }];
    await listen({ type: "begin", totalSteps: 500, epochs: 1, history });
    // 420 steps took 840 seconds in all, so the last 80 take 160.
    for (let step = 401; step <= 420; step++) {
      const seconds = 2 * step;
      await listen({ type: "step", step, totalSteps: 500, epoch: step / 500, seconds });
    }
    await new Promise((resolve) => setTimeout(resolve, 210));
    await listen({ type: "evaluate", batch: 12, batches: 60 });
  });
  const { data } = messages.at(-1)!.content;
  assert.equal(
    data["text/plain"]!.split("\n\n").slice(0, 2).join("\n"),
    "[ 420/500 14:00 < 02:40, 0.50 it/s, Epoch 0.84/1 ]\n[ 12/60 ] evaluation",
  );
  assert.match(data["text/plain"]!, /400 +0\.125000/); // what was recorded before
  assert.match(
    data["text/html"]!,
    /<progress value="420" max="500"[^]*<progress value="12" max="60"/,
  );
});

Deno.test("showTraining says of a run that is at its end before the first step that it is finished", async () => {
  const messages = await inJupyter(async () => {
    const listen = showTraining();
    const history = [{ step: 500, epoch: 1, learningRate: 0, gradNorm: 1, loss: 0.125 }];
    await listen({ type: "begin", totalSteps: 500, epochs: 1, history });
    await listen({ type: "end", result: { ...result, step: 500, epoch: 1, trainRuntime: 1000 } });
  });
  const text = messages.at(-1)!.content.data["text/plain"]!;
  assert.equal(
    text.split("\n\n")[0],
    "[ 500/500 16:40 < 00:00, 0.50 it/s, Epoch 1/1 ] finished before: load the model again to train it anew",
  );
  assert.match(text, /500 +0\.125000/);
});

Deno.test("showTraining gives metrics of one's own a column each, and says that a run ended early", async () => {
  const list: TrainerEvent[] = [...events()];
  const own = [{ macroF1: 0.25, weightedF1: 0.75, top_2: 0.5 }, {}, { top_2: 1 }];
  const records = list.filter((event) => event.type === "record");
  records.forEach(({ record }, i) => Object.assign(record, own[i]));
  const metricForBestModel = "eval_macroF1"; // weightedF1 is in the history alone
  const begin = { type: "begin", totalSteps: 600, epochs: 1, metricForBestModel } as const;
  const ended = list.with(0, begin).map((event) =>
    event.type === "step" ? { ...event, totalSteps: 600 } : event
  );
  const messages = await inJupyter(() => replay(showTraining(), ended));
  const [position, shown] = messages.at(-1)!.content.data["text/plain"]!.split("\n\n");
  assert.match(position!, /^\[ 500\/600 .* \] ended early$/);
  assert.equal(
    shown,
    [
      "Step  Training Loss  Validation Loss  Accuracy  Macro F1     Top 2",
      " 250         No log         0.900000  0.650000  0.250000  0.500000",
      " 300       0.750000",
      " 500       0.750000         0.500000  0.812500            1.000000",
    ].join("\n"),
  );
  const [line] = (await printed(() => replay(showTraining(), ended))).split("\n");
  assert.equal(
    line,
    "step 250  eval_loss 0.900000  accuracy 0.650000  macroF1 0.250000  top_2 0.500000",
  );
});

Deno.test("showTraining shows the last hundred records, with what came before them", async () => {
  const messages = await inJupyter(async () => {
    const listen = showTraining();
    await listen({ type: "begin", totalSteps: 150, epochs: 1 });
    for (let step = 1; step <= 150; step++) {
      const own = step === 1 ? { top_2: 0.5 } : {};
      const loss = step <= 50 && { loss: step };
      await listen({ type: "record", record: { step, epoch: 1, ...rates, ...loss, ...own } });
    }
  });
  const lines = messages.at(-1)!.content.data["text/plain"]!.split("\n\n")[1]!.split("\n");
  assert.equal(lines[0], "The last 100 of 150 records");
  assert.match(lines[1]!, / Top 2$/);
  assert.match(lines[2]!, /^ +51 +50\.000000$/);
  assert.match(lines.at(-1)!, /^ +150 +50\.000000$/);
  assert.equal(lines.length, 102);
});

Deno.test("showTraining opens a new output for a second run", async () => {
  const listen = showTraining();
  const messages = await inJupyter(async () => {
    await replay(listen, events());
    await replay(listen, events());
  });
  assert.equal(new Set(messages.map(({ content }) => content.transient.display_id)).size, 2);
  assert.match(messages.at(-1)!.content.data["text/plain"]!, new RegExp(`\n\n${table}\n\n`));
});

Deno.test("showTraining prints a line for each record outside Jupyter", async () => {
  assert.equal(
    await printed(() => replay(showTraining(), events())),
    [
      "step 250  eval_loss 0.900000  accuracy 0.650000",
      "step 300  loss 0.750000",
      "step 500  eval_loss 0.500000  accuracy 0.812500",
      figures,
    ].join("\n"),
  );
});

Deno.test("showTraining shows the names of one's own metrics as they are", async () => {
  const name = "<b>\u001b[31m$x$\n";
  const record = { step: 1, epoch: 1, ...rates, evalLoss: 1, [name]: 0.5 };
  const list: TrainerEvent[] = [{ type: "begin", totalSteps: 1, epochs: 1 }, {
    type: "record",
    record,
  }];
  const messages = await inJupyter(() => replay(showTraining(), list));
  const { data } = messages.at(-1)!.content;
  for (
    const text of [
      data["text/plain"]!,
      data["text/html"]!,
      await printed(() => replay(showTraining(), list)),
    ]
  ) {
    assert.match(text, /\\?u001b/);
    assert.equal(text.includes("\u001b"), false);
    assert.equal(text.includes("$x$\n"), false);
  }
  assert.equal(data["text/html"]!.includes("<b>"), false);
});
