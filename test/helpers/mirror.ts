import { fileURLToPath } from "node:url";

/**
 * A folder with real Hub repositories (AG News, all-MiniLM-L6-v2, RoBERTa's tokenizer) as
 * hub_server.ts serves them; too large, and of too narrow a licence, to be committed.
 */
export const MIRROR = Deno.env.get("SHARED_HUB") ??
  fileURLToPath(new URL("../../../shared/hub", import.meta.url));

/** Ends the name of a test that needs {@link MIRROR}: the reason why it is ignored, else empty. */
export const MIRROR_MISSING = await Deno.stat(MIRROR).then(
  () => "",
  () => ` (ignored: no ${MIRROR}; set SHARED_HUB)`,
);
