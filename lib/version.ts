/** The version of this library, as in deno.json. */
export const VERSION = "0.4.0";
