import { closest } from "fastest-levenshtein";

/** Options by the names that other libraries give them, where the nearest spelling would be another option. */
const SYNONYMS: Record<string, string> = {
  alpha: "loraAlpha",
  batchsize: "perDeviceTrainBatchSize",
  epochs: "numTrainEpochs",
  lr: "learningRate",
  rank: "r",
};

/**
 * Refuses an option that does not exist, as it would have no effect.
 *
 * @param task What cannot be done, as in "Cannot train".
 * @param options The options given.
 * @param known An object with every option's name.
 * @throws {TypeError} When an option is unknown; the message names the nearest.
 */
export function checkOptions(task: string, options: object, known: object): void {
  const names = Object.keys(known);
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const bare = (name: string) => name.replaceAll("_", "").toLowerCase();
  const synonym = SYNONYMS[bare(unknown)] ?? "";
  const nearest = names.find((name) => name === synonym) ??
    names.find((name) => bare(name).startsWith(bare(unknown))) ??
    names.find((name) => bare(name) === closest(bare(unknown), names.map(bare)));
  throw new TypeError(
    `Cannot ${task} as an option must be one of ${names.join(", ")}: current value is ` +
      `'${unknown}'. Did you mean '${nearest}'?`,
  );
}
