import type { Variable } from "@tensorflow/tfjs-core";

/** How much of a model is trained. */
export interface ParameterCount {
  trainable: number;
  all: number;
  /** The line that peft's `print_trainable_parameters` prints. */
  toString(): string;
}

/**
 * Counts parameters. Of an adapter, "all" holds the modules trained in full twice, as in peft, which keeps their
 * originals.
 */
export function trainableParameters(
  { parameters }: { parameters: Map<string, Variable> },
): ParameterCount {
  const sum = (variables: Variable[]) => variables.reduce((total, { size }) => total + size, 0);
  const variables = [...parameters.values()];
  const trainable = sum(variables.filter((variable) => variable.trainable));
  const all = sum(variables);
  const group = (count: number) => count.toLocaleString("en-US");
  const percent = (100 * trainable / all).toFixed(4);
  return {
    trainable,
    all,
    toString: () =>
      `trainable params: ${group(trainable)} || all params: ${
        group(all)
      } || trainable%: ${percent}`,
  };
}
