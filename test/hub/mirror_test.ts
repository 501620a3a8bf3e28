import assert from "node:assert/strict";
import { fileDigest } from "../../lib/files.ts";
import { downloadModel } from "../../lib/hub/model.ts";
import { serveHub } from "../helpers/hub_server.ts";
import { MIRROR, MIRROR_MISSING } from "../helpers/mirror.ts";

Deno.test({
  name: `all-MiniLM-L6-v2 survives a cut and keeps its sha256${MIRROR_MISSING}`,
  ignore: MIRROR_MISSING !== "",
  async fn() {
    const hub = serveHub(MIRROR);
    const cacheFolder = await Deno.makeTempDir();
    hub.faults.push({ match: /cdn.*safetensors/, times: 1, cutAfter: 50_000_000 });
    const folder = await downloadModel("sentence-transformers/all-MiniLM-L6-v2", {
      endpoint: hub.url,
      cacheFolder,
      offline: false,
      retryDelay: 1,
    });
    assert.equal(
      await fileDigest(`${folder}/model.safetensors`, "sha256"),
      "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    );
    const ranges = hub.requests.filter(({ path }) => path.startsWith("/cdn/")).map((r) => r.range);
    assert.deepEqual(ranges, ["bytes=0-", "bytes=50000000-"]);
    await hub.close();
    await Deno.remove(cacheFolder, { recursive: true });
  },
});
