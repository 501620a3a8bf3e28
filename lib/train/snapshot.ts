import type * as tf from "@tensorflow/tfjs-core";

/** The values that parameters had at a moment, kept in memory. */
export interface Snapshot {
  /** The values kept, by the parameters' names. */
  readonly values: Map<string, tf.Tensor>;
  /** Keeps the values of now instead of those kept before. */
  take(): void;
  /** Sets the parameters to the values kept, if there are any. */
  restore(): void;
  /** Frees the values kept. */
  dispose(): void;
}

/** A snapshot of parameters, empty until it is taken. A value is stored twice only once its parameter has changed. */
export function createSnapshot(parameters: Map<string, tf.Variable>): Snapshot {
  const values = new Map<string, tf.Tensor>();
  const dispose = () => {
    values.forEach((value) => value.dispose());
    values.clear();
  };
  return {
    values,
    take() {
      dispose();
      for (const [name, variable] of parameters) values.set(name, variable.clone());
    },
    restore() {
      for (const [name, value] of values) parameters.get(name)!.assign(value);
    },
    dispose,
  };
}
