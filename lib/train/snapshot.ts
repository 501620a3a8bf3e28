import * as tf from "@tensorflow/tfjs-core";

/** The values that parameters had at a moment, kept in memory. */
export interface Snapshot {
  /** Keeps the values of now instead of those kept before. */
  take(): void;
  /** Sets the parameters to the values kept, if there are any. */
  restore(): void;
  /** Frees the values kept. */
  dispose(): void;
}

/** A snapshot of parameters, empty until it is taken. A value is stored twice only once its parameter has changed. */
export function createSnapshot(parameters: Map<string, tf.Variable>): Snapshot {
  let kept: tf.NamedTensorMap = {};
  const dispose = () => {
    tf.dispose(kept);
    kept = {};
  };
  return {
    take() {
      dispose();
      for (const [name, variable] of parameters) kept[name] = variable.clone();
    },
    restore() {
      for (const [name, value] of Object.entries(kept)) parameters.get(name)!.assign(value);
    },
    dispose,
  };
}
