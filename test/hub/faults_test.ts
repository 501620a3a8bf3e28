import assert from "node:assert/strict";
import { downloadModel } from "../../lib/hub/model.ts";
import { digest } from "../helpers/hub_server.ts";
import {
  HUB,
  names,
  rejection,
  weightRequests,
  withHub,
  withWeights,
} from "../helpers/with_hub.ts";

const ID = "tiny/wordpiece";
const WEIGHTS = Deno.readFileSync(`${HUB}/models/${ID}/model.safetensors`);
const BLOBS = "models--tiny--wordpiece/blobs";
const PARTIAL = `${BLOBS}/${digest("sha256", WEIGHTS)}.incomplete`;

/** A body that sends `size` bytes every `wait` milliseconds, `count` times. */
function drip(response: Response, size: number, wait: number, count = Infinity): Response {
  let timer: ReturnType<typeof setInterval>;
  const body = new ReadableStream({
    start(controller) {
      timer = setInterval(() => {
        if (count-- > 0) controller.enqueue(new Uint8Array(size));
        else controller.close();
      }, wait);
    },
    cancel: () => clearInterval(timer),
  });
  return new Response(body, response);
}

Deno.test("downloadModel() resumes a cut connection where it broke off", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /cdn.*model/, times: 2, cutAfter: 15_000 });
    await downloadModel(ID, options);
    assert.deepEqual(weightRequests(hub).map(({ range }) => range), [
      "bytes=0-",
      "bytes=15000-",
      "bytes=30000-",
    ]);
  }));

Deno.test("downloadModel() asks again for a list of the Hub that was cut", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /revision/, times: 2, cutAfter: 10 });
    hub.faults.push({ match: /tree/, times: 2, cutAfter: 10 });
    assert.equal(names(await downloadModel(ID, options)).length, 4);
  }));

Deno.test("downloadModel() goes on as long as each connection brings a megabyte", () =>
  withWeights(8_000_000, async (hub, options) => {
    hub.faults.push({ match: /cdn.*model/, times: 7, cutAfter: 1_100_000 });
    const model = await downloadModel(ID, options);
    assert.equal(Deno.statSync(`${model}/model.safetensors`).size, 8_000_000);
    assert.equal(weightRequests(hub).length, 8);
  }));

Deno.test("downloadModel() resumes what an earlier call left", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /cdn.*model/, times: 5, cutAfter: 1000 });
    assert.match(await rejection(downloadModel(ID, options)), /cut|reading|body.*\. Try again/);
    assert.equal(Deno.statSync(`${options.cacheFolder}/${PARTIAL}`).size, 5000);
    await downloadModel(ID, options);
    assert.equal(weightRequests(hub).at(-1)?.range, "bytes=5000-");
    assert.equal(names(`${options.cacheFolder}/${BLOBS}`).length, 4);
  }));

Deno.test("downloadModel() begins anew where a server knows no ranges", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /cdn.*model/, times: 1, cutAfter: 15_000 });
    hub.faults.push({ match: /cdn.*model/, times: 1, ignoreRange: true });
    const folder = await downloadModel(ID, options);
    assert.equal(weightRequests(hub).length, 2);
    assert.equal(Deno.statSync(`${folder}/model.safetensors`).size, WEIGHTS.length);
  }));

Deno.test("downloadModel() begins anew when the file has changed between two parts", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /cdn.*model/, times: 1, cutAfter: 15_000 });
    hub.faults.push({ match: /cdn.*model/, times: 1, wrongBytes: true });
    await downloadModel(ID, options);
    const ranges = weightRequests(hub).map(({ range }) => range);
    assert.deepEqual(ranges, ["bytes=0-", "bytes=15000-", "bytes=0-"]);
  }));

Deno.test("downloadModel() throws a partial file with wrong bytes away", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /cdn.*model/, times: 5, cutAfter: 1000 });
    await rejection(downloadModel(ID, options));
    await Deno.writeFile(`${options.cacheFolder}/${PARTIAL}`, new Uint8Array(5000));
    await downloadModel(ID, options);
    assert.equal(weightRequests(hub).at(-1)?.range, "bytes=0-");
  }));

Deno.test("downloadModel() refuses a file with the wrong content", async (t) => {
  for (const file of ["model.safetensors", "config.json"]) {
    await t.step(file, () =>
      withHub(async (hub, options) => {
        const match = new RegExp(`(cdn|resolve)/.*${file}`);
        hub.faults.push({ match, times: 9, wrongBytes: true });
        const message = await rejection(downloadModel(ID, options));
        assert.match(message, /have the hash \w+, not \w+\. Try/);
        const blobs = names(`${options.cacheFolder}/${BLOBS}`);
        const partial = blobs.find((name) => name.endsWith(".incomplete"))!;
        assert.equal(Deno.statSync(`${options.cacheFolder}/${BLOBS}/${partial}`).size, 0);
        assert.equal(blobs.includes(partial.replace(".incomplete", "")), false);
      }));
  }
});

Deno.test("downloadModel() refuses a file of the wrong length", async (t) => {
  const shorter = () => new Response(WEIGHTS.subarray(0, 10_000), { status: 206 });
  await t.step("shorter", () =>
    withHub(async (hub, options) => {
      hub.faults.push({ match: /cdn.*model/, times: 1, answer: shorter });
      hub.faults.push({ match: /cdn.*model/, times: 1, status: 416 });
      hub.faults.push({ match: /cdn.*model/, times: 3, answer: shorter });
      const message = await rejection(downloadModel(ID, options));
      assert.match(
        message,
        new RegExp(`only \\d+ of its ${WEIGHTS.length} bytes came\\. Try again`),
      );
      const ranges = weightRequests(hub).slice(0, 3).map(({ range }) => range);
      assert.deepEqual(ranges, ["bytes=0-", "bytes=10000-", "bytes=0-"]); // 416: begun anew
    }));
  await t.step("longer, without an end", () =>
    withHub(async (hub, options) => {
      const answer = () => drip(new Response(null, { status: 206 }), 20_000, 1);
      hub.faults.push({ match: /cdn.*model/, times: 9, answer });
      const message = await rejection(downloadModel(ID, options));
      assert.match(message, new RegExp(`more than its ${WEIGHTS.length} bytes came\\. Try again`));
      assert.equal(Deno.statSync(`${options.cacheFolder}/${PARTIAL}`).size, 0);
    }));
});

Deno.test("downloadModel() takes no snapshot for whole that lacks an optional file", () =>
  withHub(async (hub, options) => {
    const pinned = { hub: ID, revision: hub.commits[`models/${ID}`]! };
    hub.faults.push({ match: /tokenizer_config/, times: 1, status: 404 });
    await rejection(downloadModel(pinned, options));
    assert.equal(names(await downloadModel(pinned, options)).length, 4);
  }));

Deno.test("downloadModel() takes a stalled connection for cut", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /cdn.*model/, times: 1, stall: true });
    await downloadModel(ID, { ...options, timeout: 200 });
    assert.deepEqual(weightRequests(hub).map(({ range }) => range), ["bytes=0-", "bytes=1-"]);
  }));

Deno.test("downloadModel() gives up a drip without end, and not a slow but steady stream", () =>
  withHub(async (hub, options) => {
    const partial = new Response(null, { status: 206 });
    hub.faults.push({ match: /cdn.*model/, times: 5, answer: () => drip(partial, 1, 10) });
    const began = performance.now();
    const message = await rejection(downloadModel(ID, { ...options, timeout: 200 }));
    assert.match(message, /fewer than 200 bytes came in 0.2 s\. Try again/);
    assert.ok(performance.now() - began < 5000);
    hub.faults.push({ match: /cdn.*model/, times: 1, answer: () => drip(partial, 1000, 10, 60) });
    hub.requests.length = 0;
    await downloadModel(ID, { ...options, timeout: 200 });
    assert.equal(weightRequests(hub).length, 2); // what it sent was wrong, and noticed at the end
  }));
