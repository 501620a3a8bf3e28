import { bert } from "./bert.ts";
import { distilbert } from "./distilbert.ts";
import { electra } from "./electra.ts";
import type { Family } from "./family.ts";
import { roberta } from "./roberta.ts";
import { xlmRoberta } from "./xlm_roberta.ts";

/** `model_type` in config.json. */
export type ModelType = "bert" | "roberta" | "xlm-roberta" | "distilbert" | "electra";

/** The supported architectures. */
export const families: Record<ModelType, Family> = {
  bert,
  roberta,
  "xlm-roberta": xlmRoberta,
  distilbert,
  electra,
};
