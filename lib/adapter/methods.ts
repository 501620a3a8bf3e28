import { ia3 } from "./ia3/ia3.ts";
import { lora } from "./lora/lora.ts";
import type { Method } from "./method.ts";

/** The methods whose adapters can be loaded. */
export const methods: Method[] = [lora, ia3];
