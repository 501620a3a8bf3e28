import type { Family } from "./family.ts";
import { roberta } from "./roberta.ts";

/** @see Conneau et al., XLM-R, 2019; modeling_xlm_roberta.py of Transformers */
export const xlmRoberta: Family = {
  ...roberta,
  architecture: "XLMRobertaForSequenceClassification",
  defaults: { pad_token_id: 1 },
};
