import { closest, distance } from "fastest-levenshtein";

/** Options by the names that other libraries give them, where the nearest spelling would be another option. */
const SYNONYMS: Record<string, string> = {
  alpha: "loraAlpha",
  batchsize: "perDeviceTrainBatchSize",
  callbacks: "listeners",
  epochs: "numTrainEpochs",
  evalbatchsize: "perDeviceEvalBatchSize",
  lr: "learningRate",
  patience: "earlyStoppingPatience",
  rank: "r",
  trainbatchsize: "perDeviceTrainBatchSize",
};

/**
 * Fills in the defaults of the options that are not given; one that is `undefined` is not.
 *
 * @param defaults Every option's default.
 * @param options Those that differ.
 * @returns All options.
 */
export function withDefaults<Options extends object>(
  defaults: Options,
  options: Partial<Options>,
): Options {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) };
}

/**
 * Refuses an option that does not exist, as it would have no effect.
 *
 * @param task What cannot be done, as in "Cannot train".
 * @param options The options given.
 * @param known An object with every option's name.
 * @throws {TypeError} When an option is unknown; the message names the nearest, if any is near.
 */
export function checkOptions(task: string, options: object, known: object): void {
  const names = Object.keys(known);
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const bare = (name: string) => name.replaceAll("_", "").toLowerCase();
  const wrong = bare(unknown);
  const near = closest(wrong, names.map(bare));
  const isNear = distance(wrong, near) <= wrong.length / 2;
  const nearest = names.find((name) => name === SYNONYMS[wrong]) ??
    names.find((name) => bare(name).startsWith(wrong)) ??
    names.find((name) => name.length > 2 && wrong.startsWith(bare(name))) ??
    names.find((name) => isNear && bare(name) === near);
  throw new TypeError(
    `Cannot ${task} as an option must be one of ${names.join(", ")}: current value is ` +
      `'${unknown}'.${nearest ? ` Did you mean '${nearest}'?` : ""}`,
  );
}
