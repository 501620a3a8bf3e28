import { gelu } from "../../kernels/gelu.ts";
import { bertEncoder } from "./bert.ts";
import type { Family } from "./family.ts";
import { twoLayerHead } from "./roberta.ts";

/** @see Clark et al., ELECTRA, 2020; modeling_electra.py of Transformers */
export const electra: Family = {
  ...bertEncoder("electra."),
  architecture: "ElectraForSequenceClassification",
  ignored: /^(discriminator_predictions|generator_predictions|generator_lm_head)\.|\.position_ids$/,
  defaults: {
    embedding_size: 128,
    hidden_size: 256,
    num_attention_heads: 4,
    intermediate_size: 1024,
  },
  ...twoLayerHead(gelu),
};
