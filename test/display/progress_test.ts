import assert from "node:assert/strict";
import { showProgress } from "../../lib/display/progress.ts";
import { inJupyter, printed } from "../helpers/jupyter.ts";

const about = { totalFiles: 2, totalBytes: 3e6, bytesPerSecond: 1.26e6 };

async function download(listen: ReturnType<typeof showProgress>): Promise<void> {
  for (let kilobytes = 0; kilobytes < 3000; kilobytes++) {
    await listen({ ...about, file: "a&b.bin", files: 1, bytes: kilobytes * 1000 });
  }
}

const complete = { ...about, file: "a&b.bin", files: 2, bytes: 3e6 };

Deno.test("showProgress redraws one output a few times and ends on the last state", async () => {
  const start = performance.now();
  const messages = await inJupyter(async () => {
    const listen = showProgress();
    await download(listen);
    await listen(complete);
  });
  // The first drawing, the last, and five a second.
  const limit = 2 + (performance.now() - start) / 200;
  assert.ok(messages.length >= 2 && messages.length <= limit, `${messages.length} > ${limit}`);
  assert.equal(new Set(messages.map(({ content }) => content.transient.display_id)).size, 1);
  assert.deepEqual(
    messages.map(({ type }) => type),
    ["display_data", ...messages.slice(1).map(() => "update_display_data")],
  );

  const first = messages[0]!.content.data;
  assert.equal(first["text/plain"], "0.0 MB of 3.0 MB, 1 of 2 files, 1.3 MB/s, a&b.bin");
  assert.match(first["text/html"]!, /<progress value="0" max="3000000".*a&#38;b\.bin/);
  const last = messages.at(-1)!.content.data;
  assert.equal(last["text/plain"], "3.0 MB, 2 files, 1.3 MB/s");
  assert.match(last["text/html"]!, /<progress value="3000000" max="3000000"/);
});

Deno.test("showProgress prints one line outside Jupyter, when all is there", async () => {
  const text = await printed(async () => {
    const listen = showProgress();
    await download(listen);
    await listen(complete);
  });
  assert.equal(text, "3.0 MB, 2 files, 1.3 MB/s");
});

Deno.test("showProgress shows a file's name as it is", async () => {
  const file = "<b>\u001b[31m$x$\n.bin";
  const [message] = await inJupyter(async () => {
    await showProgress()({ ...about, file, files: 1, bytes: 0 });
  });
  const { data } = message!.content;
  assert.match(data["text/plain"]!, /, <b>\\u001b\[31m\$x\$\\n\.bin$/);
  assert.match(data["text/html"]!, /, &#60;b&#62;<span>\\<\/span>u001b\[31m<span>\$<\/span>x/);
});
