/** Who does a task, each time in a process of its own. */
export type Side = "ours" | "python" | "transformers.js";

/** What ours.ts, reference.py and transformers.js are called with. */
export interface Task {
  /** The function's name in those files. */
  task: string;
  options: { model?: string; rows?: number; [option: string]: unknown };
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
}

/** How much of each task is done. */
export const SIZES = {
  whole: { warmUp: 3, steps: 10, trainRows: 4000, padded: 50, testRows: 3800, allRows: 74_412 },
  smoke: { warmUp: 1, steps: 1, trainRows: 64, padded: 2, testRows: 64, allRows: 2000 },
};

const MODELS = { minilm: "MiniLM (6 × 384)", roberta: "RoBERTa-base (12 × 768)" };
const WAYS = { lora: "LoRA", full: "full" };

/** Every task by the key that {@link lines} have it by. */
export function tasks(size: typeof SIZES.whole): Record<string, Task> {
  const { warmUp, steps, trainRows, padded, testRows: rows, allRows } = size;
  const step = (model: string, way: string) => ({
    task: "step",
    options: { model, way, warmUp, steps },
  });
  const epoch = { model: "minilm", rows: trainRows };
  return {
    "minilm lora": step("minilm", "lora"),
    "minilm full": step("minilm", "full"),
    "roberta lora": step("roberta", "lora"),
    "roberta full": step("roberta", "full"),
    start: { task: "step", options: { model: "minilm", way: "lora", warmUp: 0, steps: 1 } },
    product: { task: "product", options: {} },
    epoch: { task: "epoch", options: epoch },
    "padded epoch": { task: "epoch", options: { ...epoch, padding: true, steps: padded } },
    evaluate: { task: "evaluate", options: { model: "minilm", rows } },
    "evaluate onnx": { task: "evaluate", options: { model: "onnx", rows } },
    "tokenize minilm": { task: "tokenize", options: { model: "minilm", rows: allRows } },
    "tokenize roberta": { task: "tokenize", options: { model: "roberta", rows: allRows } },
  };
}

/** The table of the comparison, in its order. */
export function lines({ trainRows, testRows, allRows }: typeof SIZES.whole): Line[] {
  const all: Line[] = [];
  function line(
    what: string,
    unit: Line["unit"],
    ours: Source,
    other: Source[],
    target?: Line["target"],
  ) {
    all.push({ what, unit, ours, other, ...(target && { target }) });
  }
  function python(
    what: string,
    unit: Line["unit"],
    task: string,
    measure: string,
    target?: Line["target"],
  ) {
    line(what, unit, [task, "ours", measure], [[task, "python", measure]], target);
  }
  const news = (rows: number) => `${rows.toLocaleString("en-US")} AG News rows`;

  for (const [model, name] of Object.entries(MODELS)) {
    for (const [way, label] of Object.entries(WAYS)) {
      const what = `${label} step, ${name}, one batch of 16 × 64, dropout 0.1`;
      python(what, "samples/s", `${model} ${way}`, "rate", { atLeast: 1.2 });
    }
  }
  const epoch = `epoch of LoRA, MiniLM, ${news(trainRows)}`;
  python(`${epoch}, Trainer's defaults`, "samples/s", "epoch", "rate", { atLeast: 2 });
  for (const [unit, measure] of [["samples/s", "rate"], ["tokens", "tokens"]] as const) {
    line(
      `${epoch}, ${unit === "tokens" ? "tokens a row, " : ""}Python padded as the original`,
      unit,
      ["epoch", "ours", measure],
      [["padded epoch", "python", measure]],
    );
  }
  for (const [model, name] of Object.entries(MODELS)) {
    const [lora, full]: Source[] = [[`${model} lora`, "ours", "rate"], [
      `${model} full`,
      "ours",
      "rate",
    ]];
    line(`LoRA step against full step, both ours, ${name}`, "samples/s", lora!, [full!], {
      atLeast: 1.4,
    });
  }
  const evaluation = `evaluation, MiniLM, ${news(testRows)}, batches of 32`;
  python(`${evaluation}, Trainer.predict`, "samples/s", "evaluate", "rate", { atLeast: 1.5 });
  line(
    `${evaluation}, transformers.js in fp32`,
    "samples/s",
    ["evaluate", "ours", "rate"],
    [["evaluate onnx", "transformers.js", "rate"]],
    { atLeast: 1 },
  );
  for (const [model, name] of Object.entries(MODELS)) {
    const what = `tokenizing ${news(allRows)} as ${name}, datasets.map`;
    python(what, "rows/s", `tokenize ${model}`, "rate", { atLeast: 1 });
  }
  const start = "load to first step: the whole process of one LoRA step, MiniLM";
  python(start, "s", "start", "seconds", { atLeast: 1.5 });
  python(`peak resident memory, ${epoch}`, "MB", "epoch", "peakMemory", { atMost: 1 });
  for (const [model, name] of Object.entries(MODELS)) {
    const what = `peak resident memory, LoRA steps, ${name}`;
    python(what, "MB", `${model} lora`, "peakMemory", { atMost: 1 });
  }
  python("product of 2048 × 2048 matrices, PyTorch", "GFLOP/s", "product", "gflops");
  for (const [model, name] of Object.entries(MODELS)) {
    const peak: Source[] = [["product", "ours", "gflops"], ["product", "python", "gflops"]];
    const what = `LoRA step's share of the best such product, ${name}`;
    line(what, "GFLOP/s", [`${model} lora`, "ours", "gflops"], peak, { atLeast: 0.6 });
  }
  return all;
}
