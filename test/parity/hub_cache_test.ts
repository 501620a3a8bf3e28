/**
 * The cache, with links and without: ours read by Transformers and huggingface_hub, theirs read here.
 *
 * @module
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { downloadModel, loadTokenizer } from "lightweight-finetuning";
import { fileDigest } from "../../lib/files.ts";
import { diskWithoutLinks } from "../helpers/disks.ts";
import { serveHub } from "../helpers/hub_server.ts";
import { parity, python } from "../helpers/live.ts";
import { caughtWarnings } from "../helpers/sources.ts";
import { HUB, names } from "../helpers/with_hub.ts";

const ID = "tiny/wordpiece";
const FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];

for (const layout of ["with links", "without links"]) {
  parity(`a cache ${layout} is huggingface_hub's own, in both directions`, async (folder) => {
    const hub = serveHub(HUB);
    const options = { endpoint: hub.url, token: "hf_parity", offline: false };
    const revision = hub.commits[`models/${ID}`]!;
    {
      using _ = layout === "with links" ? undefined : diskWithoutLinks();
      await downloadModel(ID, { ...options, cacheFolder: `${folder}/ours` });
    }
    const served = `${HUB}/models/${ID}`;
    const begun = hub.requests.length;
    await python("hub_cache.py", folder, hub.url);
    // Python asks for the files of its own two caches, and for none of ours.
    const weights = hub.requests.slice(begun)
      .filter(({ method, path }) => method === "GET" && path.includes("/cdn/"));
    equal(weights.length, 2);

    const seen = JSON.parse(await Deno.readTextFile(`${folder}/seen.json`));
    equal(seen.snapshot, `${folder}/ours/models--tiny--wordpiece/snapshots/${revision}`);
    for (const file of FILES) {
      equal(seen.sha256[file], await fileDigest(`${served}/${file}`, "sha256"));
    }
    const tokenizer = await loadTokenizer(served);
    deepEqual([seen.ids], await tokenizer.encode(["ministers met"]));
    deepEqual(seen.scan, [[ID, FILES]]);
    deepEqual(seen.warnings, []);
    ok(Object.keys(seen.tree).length > FILES.length); // what nobody downloaded is listed too
    for (const [file, size] of Object.entries(seen.tree)) {
      equal(size, Deno.statSync(`${served}/${file}`).size);
    }

    using warnings = caughtWarnings();
    for (const cache of ["theirs", "copied"]) {
      const local = { ...options, cacheFolder: `${folder}/${cache}` };
      const asked = hub.requests.length;
      const snapshot = await downloadModel({ hub: ID, revision }, local);
      equal(await downloadModel(ID, { ...local, offline: true }), snapshot);
      equal(hub.requests.length, asked);
      deepEqual(names(snapshot), FILES);
      ok(Deno.lstatSync(`${snapshot}/config.json`).isSymlink === (cache === "theirs"));
    }
    deepEqual(warnings.said, []);
    await hub.close();
  });
}
