/** Who does a task, each time in a process of its own. */
export type Side = "ours" | "python" | "transformers.js";

/** What ours.ts, reference.py and transformers.js are called with. */
export interface Task {
  /** The function's name in those files. */
  task: string;
  options: { model?: string; rows?: number; bf16?: boolean; [option: string]: unknown };
}

/** Where a number comes from: the key of {@link tasks}, the side, and which of its measures. */
export type Source = [task: string, side: Side, measure: string];

/** One line of the comparison: the ratio of two numbers. */
export interface Line {
  what: string;
  /** With "s" the ratio is other : ours, so that more is faster. */
  unit: "samples/s" | "rows/s" | "GFLOP/s" | "s" | "MB" | "tokens";
  ours: Source;
  /** Of several, the largest counts. */
  other: Source[];
  target?: { atLeast: number } | { atMost: number };
  /** Its name in the picture of README.md, which shows the comparisons with Python. */
  short?: string;
}

/** How much of each task is done. */
export const SIZES = {
  whole: { warmUp: 3, steps: 10, trainRows: 1200, padded: 25, testRows: 3800, allRows: 74_412 },
  smoke: { warmUp: 1, steps: 1, trainRows: 64, padded: 2, testRows: 64, allRows: 2000 },
};

const MODELS = { minilm: "MiniLM (6 × 384)", roberta: "RoBERTa-base (12 × 768)" };
const SHORT_MODELS = { minilm: "MiniLM", roberta: "RoBERTa-base" };
const WAYS = { lora: "LoRA", full: "full" };
const PRECISIONS = { fp32: false, bf16: true };
const ORDERS = {
  random: { trainSamplingStrategy: "random", label: "random order" },
  length: { trainSamplingStrategy: "group_by_length", label: "rows of like length" },
};

const entries = <K extends string, V>(record: Record<K, V>) => Object.entries(record) as [K, V][];

/** Every task by the key that {@link lines} have it by. */
export function tasks(size: typeof SIZES.whole): Record<string, Task> {
  const { warmUp, steps: most, trainRows, padded, testRows, allRows } = size;
  const all: Record<string, Task> = {};
  for (const [precision, bf16] of entries(PRECISIONS)) {
    for (const [model] of entries(MODELS)) {
      const steps = model === "roberta" ? Math.ceil(most / 2) : most;
      for (const [way] of entries(WAYS)) {
        const options = { model, way, bf16, warmUp, steps };
        all[`${model} ${way} ${precision}`] = { task: "step", options };
      }
      if (bf16) {
        const options = { model, way: "lora", bf16, loadIn4bit: true, warmUp, steps };
        all[`${model} four bits`] = { task: "step", options };
      }
    }
    for (const [order, { trainSamplingStrategy }] of entries(ORDERS)) {
      const options = { model: "minilm", rows: trainRows, trainSamplingStrategy, bf16 };
      all[`epoch ${order} ${precision}`] = { task: "epoch", options };
    }
    const options = { model: "minilm", rows: testRows, bf16 };
    all[`evaluate ${precision}`] = { task: "evaluate", options };
    const { trainSamplingStrategy } = ORDERS.length; // of which Trainer's evaluation takes "group_by_length" alone
    const like = { model: "minilm", rows: testRows, trainSamplingStrategy, bf16FullEval: bf16 };
    all[`evaluate length ${precision}`] = { task: "evaluate", options: like };
    all[`product ${precision}`] = { task: "product", options: { bf16 } };
  }
  const step = { model: "minilm", way: "lora", warmUp, steps: most };
  return {
    ...all,
    compiled: { task: "step", options: { ...step, compile: true } },
    start: { task: "step", options: { ...step, warmUp: 0, steps: 1 } },
    "padded epoch": {
      task: "epoch",
      options: { model: "minilm", rows: trainRows, padding: true, steps: padded },
    },
    "evaluate onnx": { task: "evaluate", options: { model: "onnx", rows: testRows } },
    "tokenize minilm": { task: "tokenize", options: { model: "minilm", rows: allRows } },
    "tokenize roberta": { task: "tokenize", options: { model: "roberta", rows: allRows } },
  };
}

/** The table of the comparison, in its order. */
export function lines({ trainRows, testRows, allRows }: typeof SIZES.whole): Line[] {
  const all: Line[] = [];
  type More = Pick<Line, "target" | "short">;
  function line(
    what: string,
    unit: Line["unit"],
    ours: Source,
    other: Source[],
    more: More = {},
  ) {
    all.push({ what, unit, ours, other, ...more });
  }
  function python(
    what: string,
    unit: Line["unit"],
    task: string,
    measure: string,
    more: More = {},
  ) {
    line(what, unit, [task, "ours", measure], [[task, "python", measure]], more);
  }
  /** Two lines: both sides in fp32, and both in bf16. */
  function precisions(
    what: string,
    task: string,
    short: string,
    targets: { [precision in keyof typeof PRECISIONS]?: number },
  ) {
    for (const [precision] of entries(PRECISIONS)) {
      const atLeast = targets[precision];
      python(`${what}, ${precision}`, "samples/s", `${task} ${precision}`, "rate", {
        ...(atLeast && { target: { atLeast } }),
        short: `${short}, ${precision}`,
      });
    }
  }
  const news = (rows: number) => `${rows.toLocaleString("en-US")} AG News rows`;

  for (const [model, name] of entries(MODELS)) {
    for (const [way, label] of entries(WAYS)) {
      const what = `${label} step, ${name}, one batch of 16 × 64, dropout 0.1`;
      const short = `${label} step, ${SHORT_MODELS[model]}`;
      precisions(what, `${model} ${way}`, short, { fp32: 1.2, bf16: 1.3 });
    }
  }
  line(
    `LoRA step, ${MODELS.minilm}, one batch of 16 × 64, dropout 0.1, fp32, Python compiled`,
    "samples/s",
    ["minilm lora fp32", "ours", "rate"],
    [["compiled", "python", "rate"]],
  );
  const epoch = `epoch of LoRA, MiniLM, ${news(trainRows)}`;
  for (const [order, { label }] of entries(ORDERS)) {
    const targets = order === "length" ? { fp32: 1.3, bf16: 1.3 } : {};
    precisions(`${epoch}, ${label}`, `epoch ${order}`, `LoRA epoch, ${label}`, targets);
  }
  for (const [unit, measure] of [["samples/s", "rate"], ["tokens", "tokens"]] as const) {
    const words = unit === "tokens" ? "tokens a row, " : "";
    line(
      `${epoch}, ${words}ours of like length, Python padded as the original`,
      unit,
      ["epoch length fp32", "ours", measure],
      [["padded epoch", "python", measure]],
    );
  }
  for (const [model, name] of entries(MODELS)) {
    line(
      `LoRA step against full step, both ours, ${name}`,
      "samples/s",
      [`${model} lora fp32`, "ours", "rate"],
      [[`${model} full fp32`, "ours", "rate"]],
      { target: { atLeast: 1.4 } },
    );
  }
  for (const [way, label] of entries(WAYS)) {
    line(
      `${label} step in bf16 against fp32, both ours, ${MODELS.roberta}`,
      "samples/s",
      [`roberta ${way} bf16`, "ours", "rate"],
      [[`roberta ${way} fp32`, "ours", "rate"]],
      { target: { atLeast: 1.6 } },
    );
  }
  for (const [model, name] of entries(MODELS)) {
    line(
      `LoRA step in bf16 on floats against four bits, both ours, ${name}`,
      "samples/s",
      [`${model} lora bf16`, "ours", "rate"],
      [[`${model} four bits`, "ours", "rate"]],
      { target: { atMost: 1.15 } },
    );
  }
  const evaluation = `evaluation, MiniLM, ${news(testRows)}, batches of 32`;
  const predict = `${evaluation}, Trainer.predict`;
  const coming = "evaluation, rows as they come";
  precisions(predict, "evaluate", coming, {});
  for (const [precision, bf16] of entries(PRECISIONS)) {
    line(
      `${predict}, ${ORDERS.length.label}, ${bf16 ? "bf16_full_eval" : precision}`,
      "samples/s",
      [`evaluate ${precision}`, "ours", "rate"],
      [[`evaluate length ${precision}`, "python", "rate"]],
      // Like for like, as ours takes rows of like length in any case.
      { target: { atLeast: 1.5 }, short: `evaluation, ${ORDERS.length.label}, ${precision}` },
    );
  }
  line(
    `${evaluation}, transformers.js in fp32`,
    "samples/s",
    ["evaluate fp32", "ours", "rate"],
    [["evaluate onnx", "transformers.js", "rate"]],
    { target: { atLeast: 1 } },
  );
  for (const [model, name] of entries(MODELS)) {
    const what = `tokenizing ${news(allRows)} as ${name}, datasets.map`;
    const short = model === "roberta" ? { short: "tokenizing, RoBERTa-base" } : {};
    python(what, "rows/s", `tokenize ${model}`, "rate", { target: { atLeast: 1 }, ...short });
  }
  const start = "load to first step: the whole process of one LoRA step, MiniLM";
  const first = { target: { atLeast: 1.5 }, short: "start to first LoRA step" };
  python(start, "s", "start", "seconds", first);
  const peak = "peak resident memory";
  for (const [precision] of entries(PRECISIONS)) {
    const what = `${peak}, ${epoch}, ${ORDERS.length.label}, ${precision}`;
    const atMost = precision === "bf16" ? 0.9 : 1;
    const short = `LoRA epoch, MiniLM, ${precision}`;
    const more = { target: { atMost }, short };
    python(what, "MB", `epoch length ${precision}`, "peakMemory", more);
    for (const [model, name] of entries(MODELS)) {
      const more = {
        target: { atMost },
        short: `LoRA steps, ${SHORT_MODELS[model]}, ${precision}`,
      };
      const what = `${peak}, LoRA steps, ${name}, ${precision}`;
      python(what, "MB", `${model} lora ${precision}`, "peakMemory", more);
    }
  }
  for (const [precision] of entries(PRECISIONS)) {
    const product = `product ${precision}`;
    const what = `product of 2048 × 2048 matrices, PyTorch, ${precision}`;
    python(what, "GFLOP/s", product, "gflops");
    for (const [model, name] of entries(MODELS)) {
      const best: Source[] = [[product, "ours", "gflops"], [product, "python", "gflops"]];
      const what = `LoRA step's share of the best such product, ${name}, ${precision}`;
      const step: Source = [`${model} lora ${precision}`, "ours", "gflops"];
      line(what, "GFLOP/s", step, best, precision === "fp32" ? { target: { atLeast: 0.6 } } : {});
    }
  }
  return all;
}
