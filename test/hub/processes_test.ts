import assert from "node:assert/strict";
import { downloadModel } from "../../lib/hub/model.ts";
import type { HubOptions } from "../../lib/hub/settings.ts";
import { digest } from "../helpers/hub_server.ts";
import {
  HUB,
  names,
  rejection,
  ROOT,
  TOKEN,
  weightRequests,
  withHub,
} from "../helpers/with_hub.ts";

const ID = "tiny/wordpiece";
const WEIGHTS = Deno.readFileSync(`${HUB}/models/${ID}/model.safetensors`);
const BLOBS = "models--tiny--wordpiece/blobs";
const PARTIAL = `${BLOBS}/${digest("sha256", WEIGHTS)}.incomplete`;

/** Starts a process of its own that downloads the model, with the token in its environment. */
function download({ endpoint, cacheFolder }: HubOptions): Deno.ChildProcess {
  const code = `
    import { downloadModel } from "./lib/hub/model.ts";
    console.log(await downloadModel("${ID}", { retryDelay: 1 }));`;
  return new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
    cwd: ROOT,
    env: {
      HF_ENDPOINT: endpoint!,
      HF_HUB_CACHE: cacheFolder!,
      HF_TOKEN: TOKEN,
      HF_HUB_OFFLINE: "",
    },
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

Deno.test("downloadModel() says that the disk is full, and goes on when there is room", () =>
  withHub(async (_, options) => {
    const partial = `${options.cacheFolder}/${PARTIAL}`;
    await Deno.mkdir(`${options.cacheFolder}/${BLOBS}`, { recursive: true });
    await Deno.symlink("/dev/full", partial); // the disk is full
    const message = await rejection(downloadModel(ID, options));
    assert.match(
      message,
      /Cannot keep tiny\/wordpiece in .*: No space left on device .*HF_HOME to/,
    );
    await Deno.remove(partial);
    await downloadModel(ID, options);
  }));

Deno.test("downloadModel() says that the cache folder cannot be written, and leaves nothing there", () =>
  withHub(async (_, options) => {
    const message = await rejection(downloadModel(ID, { ...options, cacheFolder: "/dev/null/x" }));
    assert.match(
      message,
      /^Cannot keep tiny\/wordpiece in \/dev\/null\/x: Not a directory .*HF_HOME/,
    );
    const refs = `${options.cacheFolder}/models--tiny--wordpiece/refs`;
    await Deno.mkdir(`${refs}/main`, { recursive: true }); // where a file is to lie
    assert.match(
      await rejection(downloadModel(ID, options)),
      /^Cannot keep tiny\/wordpiece in .*: Is a/,
    );
    assert.deepEqual(names(refs), ["main"]);
  }));

Deno.test("downloadModel() in two processes downloads once, and uses what a killed one left", () =>
  withHub(async (hub, options) => {
    let arrived = () => {};
    const begun = new Promise<void>((resolve) => arrived = resolve);
    const answer = () => {
      arrived();
      const body = new ReadableStream({ start: (c) => c.enqueue(WEIGHTS.subarray(0, 20_000)) });
      return new Response(body, { status: 206 });
    };
    hub.faults.push({ match: /cdn.*model/, times: 1, answer });
    const first = download(options);
    const output = first.output();
    await begun;
    const others = [download(options).output(), download(options).output()];
    while (Deno.statSync(`${options.cacheFolder}/${PARTIAL}`).size < 20_000) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    first.kill("SIGKILL");
    await output;
    const folders = await Promise.all(others.map(async (other) => {
      const { success, stdout, stderr } = await other;
      assert.ok(success, new TextDecoder().decode(stderr));
      return new TextDecoder().decode(stdout).trim();
    }));
    assert.equal(folders[0], folders[1]);
    assert.equal(names(folders[0]!).length, 4);
    assert.deepEqual(weightRequests(hub).map(({ range }) => range), ["bytes=0-", "bytes=20000-"]);
    assert.equal(names(`${options.cacheFolder}/${BLOBS}`).length, 4); // none incomplete
  }));

Deno.test("downloadModel() has no token in an error that nobody catches", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /revision/, times: 1, status: 401 });
    const { success, stdout, stderr } = await download(options).output();
    const printed = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assert.equal(success, false);
    assert.match(printed, /Cannot download the list of files of tiny\/wordpiece/);
    assert.equal(hub.requests.at(-1)!.token, `Bearer ${TOKEN}`); // it was in use
    assert.equal(printed.includes(TOKEN), false);
  }));
