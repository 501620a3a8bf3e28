import type { PeftConfig } from "../method.ts";

/** Options of a LoRA adapter; names and defaults are those of peft's LoraConfig. */
export interface LoraConfig extends PeftConfig {
  /** Rank of the update. @default {8} */
  r: number;
  /** The update is scaled by loraAlpha / r. @default {8} */
  loraAlpha: number;
  /** Dropout on the adapter's input. @default {0} */
  loraDropout: number;
  /** Indices of the encoder's layers to adapt; null or an empty list adapts all. @default {null} */
  layersToTransform: number[] | number | null;
  /**
   * What the list of layers is called where `layersToTransform` counts: regular expressions for a part of a name. With
   * null, it is whatever precedes the first number. @default {null}
   */
  layersPattern: string[] | string | null;
  /** Other ranks, by regular expressions for names or suffixes; the first that matches counts. @default {{}} */
  rankPattern: Record<string, number>;
  /** Other alphas, likewise. @default {{}} */
  alphaPattern: Record<string, number>;
  /** Biases that are trained too: none, all, or the adapted layers'. @default {"none"} */
  bias: "none" | "all" | "lora_only";
  /** Scale by loraAlpha / √r instead (Kalajdzievski, rsLoRA, 2023). @default {false} */
  useRslora: boolean;
  /** Train the norms of the weights' rows apart from their directions (Liu et al., DoRA, 2024). @default {false} */
  useDora: boolean;
  /**
   * A uniform, or normal with "gaussian", and B zero; with false B is random too. "eva" and "orthogonal" are those of
   * an adapter that peft made. @default {true}
   */
  initLoraWeights: boolean | "gaussian" | "eva" | "orthogonal";
}
