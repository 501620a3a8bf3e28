import { clip } from "../files.ts";

/** The most classes that config.json may ask for without naming them. */
const MOST_UNNAMED = 100_000;

const REMEDY = "Give the classes' names as 'labels'; with 'ignoreMismatchedSizes', a head of " +
  "another number of outputs is replaced by a new one";

/**
 * The names of a classifier's classes, by their number: those given, or config.json's. Where it has none they are
 * LABEL_0, LABEL_1, …, as many as its `num_labels` says or two, as in Transformers.
 *
 * @param raw The content of config.json.
 * @param path The path of config.json, named in errors.
 * @throws {TypeError} When the model does not sort each text into one of several classes, or there are not two different
 * names or more.
 */
export function labelsOf(
  raw: Record<string, unknown>,
  path: string,
  given?: string[],
): string[] {
  const refuse = (field: string, expected: string, remedy: string): never => {
    throw new TypeError(
      `Cannot load ${path} as '${field}' must ${expected}: current value is ` +
        `${clip(JSON.stringify(raw[field]))}. ${remedy}`,
    );
  };
  const isAbsent = (field: string) => raw[field] === undefined || raw[field] === null;
  const { problem_type, id2label, num_labels } = raw;
  if (!isAbsent("problem_type") && problem_type !== "single_label_classification") {
    refuse(
      "problem_type",
      "be single_label_classification or null",
      "Models of other tasks are not supported; to train a new head on the encoder, set it to null in a copy",
    );
  }
  if (given !== undefined) {
    if (areNames(given)) return given;
    throw new TypeError(
      "Cannot load a model as 'labels' must be two different names or more: current value is " +
        clip(JSON.stringify(given)),
    );
  }
  if (isAbsent("id2label")) {
    const length = isAbsent("num_labels") ? 2 : num_labels as number;
    if (!Number.isInteger(length) || length < 2 || length > MOST_UNNAMED) {
      refuse("num_labels", `be a whole number from 2 to ${MOST_UNNAMED}`, REMEDY);
    }
    return Array.from({ length }, (_, i) => `LABEL_${i}`);
  }
  const names = typeof id2label === "object" && !Array.isArray(id2label)
    ? Object.keys(id2label!).map((_, i) => (id2label as Record<string, unknown>)[i])
    : [];
  if (!areNames(names)) {
    return refuse("id2label", "give two classes or more, numbered from 0, a name each", REMEDY);
  }
  if (!isAbsent("num_labels") && num_labels !== names.length) {
    refuse("num_labels", `be ${names.length}, as id2label has so many`, `Remove it. ${REMEDY}`);
  }
  return names;
}

const areNames = (names: unknown): names is string[] =>
  Array.isArray(names) && names.length >= 2 && names.every((name) => typeof name === "string") &&
  new Set(names).size === names.length;
