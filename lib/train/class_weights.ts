import type { Examples } from "../batches.ts";
import { visible } from "../text.ts";
import { checkOption, type TrainerOptions } from "./options.ts";

/**
 * The weight of each class, as float32 holds it.
 *
 * "balanced" is rows / (classes × rows of the class), as in scikit-learn's `compute_class_weight`.
 *
 * @param given The trainer's option.
 * @param trainDataset The rows to train on.
 * @param names Names of the model's classes.
 * @returns Undefined where none are given.
 * @throws {RangeError} When there is not one finite number of at least 0 for each class, all are 0, or "balanced" is given
 * and a class has no rows.
 */
export function weightsOfClasses(
  given: TrainerOptions["classWeights"],
  { labels }: Examples,
  names: string[],
): number[] | undefined {
  if (given === undefined || given === null) return undefined;
  if (given === "balanced") {
    const counts = names.map(() => 0);
    for (let row = 0; row < labels.length; row++) counts[labels[row]!]!++;
    const without = names.filter((_, i) => !counts[i]).map((name) => `'${visible(name)}'`);
    if (without.length) {
      throw new RangeError(
        "Cannot train as 'classWeights' must be numbers where a class has no training rows: current " +
          `value is balanced, and no row is ${without.join(", ")}. Add such rows, load the model ` +
          "without that label, or give a number for each class",
      );
    }
    return counts.map((count) => Math.fround(labels.length / (names.length * count)));
  }
  const all: unknown[] = Array.isArray(given) ? Array.from(given) : [];
  const weights = all.map((weight) => typeof weight === "number" ? Math.fround(weight) : NaN);
  const isWeight = (weight: number) => Number.isFinite(weight) && weight >= 0;
  checkOption(
    weights.length === names.length && weights.every(isWeight) && weights.some(Boolean),
    "classWeights",
    `"balanced" or a number of at least 0 for each of the ${names.length} classes, not all 0`,
    Deno.inspect(given),
  );
  return weights;
}
