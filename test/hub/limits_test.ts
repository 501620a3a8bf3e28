import assert from "node:assert/strict";
import { constants, deflateRawSync } from "node:zlib";
import { existsSync } from "node:fs";
import { downloadModel } from "../../lib/hub/model.ts";
import { downloadSnapshot, missing } from "../../lib/hub/snapshot.ts";
import type { HubServer } from "../helpers/hub_server.ts";
import { rejection, ROOT, TOKEN, withHub, withWeights } from "../helpers/with_hub.ts";

const ID = "tiny/wordpiece";
const EVERYTHING = { wanted: /./s, required: { any: /./s } };

/** Sends `text` every `wait` milliseconds, without an end. */
function drip(text: string, wait: number): Response {
  let timer: ReturnType<typeof setInterval>;
  const chunk = new TextEncoder().encode(text);
  const body = new ReadableStream({
    start(controller) {
      timer = setInterval(() => controller.enqueue(chunk), wait);
    },
    cancel: () => clearInterval(timer),
  });
  return new Response(body);
}

/** A gzip stream of so many blocks of 16 MB of spaces, 16 kB each, without an end. */
function bomb(blocks: number, status = 200): Response {
  const spaces = new Uint8Array(2 ** 24).fill(32);
  const block = deflateRawSync(spaces, { finishFlush: constants.Z_FULL_FLUSH });
  const header = new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(header),
    pull(controller) {
      if (blocks-- > 0) controller.enqueue(new Uint8Array(block));
      else controller.close();
    },
  });
  return new Response(body, { status, headers: { "content-encoding": "gzip" } });
}

/** Each entry of a list, and what it becomes. */
const changed =
  (change: (entry: Record<string, unknown>) => object) => async (sound: () => Response) => {
    const response = sound();
    const link = response.headers.get("link");
    const entries = await response.json();
    return Response.json(entries.map(change), { headers: link ? { link } : {} });
  };

const file = (path: string) => ({ type: "file", path, size: 1, oid: "0".repeat(40) });

Deno.test("downloadModel() keeps its memory bounded when a small answer unpacks to a gigabyte", async (t) => {
  const answers: Record<string, [RegExp, number]> = {
    "a commit": [/revision/, 200],
    "a list of files": [/tree/, 200],
    "a refusal of a file": [/cdn.*model/, 403],
    "a file": [/cdn.*model/, 200],
  };
  const code = `
    import { downloadModel } from "./lib/hub/model.ts";
    const error = await downloadModel("${ID}", { retryDelay: 1 }).catch((error) => error);
    const [, peak] = Deno.readTextFileSync("/proc/self/status").match(/VmHWM:\\s+(\\d+) kB/);
    console.log(JSON.stringify({ message: error.message, peak: peak / 1e3 }));`;
  for (const [name, [match, status]] of Object.entries(answers)) {
    await t.step({
      name: Deno.build.os === "linux" ? name : `${name} (ignored: its peak is read from /proc)`,
      ignore: Deno.build.os !== "linux",
      fn: () =>
        withHub(async (hub, { endpoint, cacheFolder }) => {
          hub.faults.push({ match, times: 9, answer: () => bomb(64, status) });
          const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
            args: ["eval", code],
            cwd: ROOT,
            env: { HF_ENDPOINT: endpoint!, HF_HUB_CACHE: cacheFolder, HF_TOKEN: TOKEN },
          }).output();
          const printed = new TextDecoder().decode(stdout);
          assert.ok(printed, new TextDecoder().decode(stderr));
          const { message, peak } = JSON.parse(printed);
          console.log(`${name}: ${Math.round(peak)} MB`);
          assert.match(message, /^Cannot download .*wordpiece.*(than 32 MB|403|more than its)/);
          assert.ok(peak < 300, `${peak} MB`);
        }),
    });
  }
});

Deno.test("downloadModel() asks once for an answer that is too long", () =>
  withHub(async (hub, options) => {
    hub.faults.push({ match: /tree/, times: 9, answer: () => bomb(4) });
    const message = await rejection(downloadModel(ID, options));
    assert.equal(
      message,
      "Cannot download the list of files of tiny/wordpiece: the answer has more than 32 MB. Set" +
        " HF_ENDPOINT to another mirror",
    );
    assert.equal(hub.requests.filter(({ path }) => path.includes("tree")).length, 1);
  }));

Deno.test("downloadModel() ends a list of files that does not", async (t) => {
  type Page = (hub: HubServer, page: number) => [entries: object[], link: string];
  const next = (hub: HubServer, cursor: unknown) =>
    `<${hub.url}/api/models/${ID}/tree/x?cursor=${cursor}>; rel="next"`;
  const pages: Record<string, [Page, RegExp, requests: number]> = {
    "a page leads to itself": [(hub) => [[], next(hub, 0)], /pages lead back to one/, 2],
    "two pages lead to each other": [(hub, n) => [[], next(hub, n % 2)], /pages lead back/, 3],
    "pages without an end": [(hub, n) => [[], next(hub, n)], /more than 1000 pages/, 1000],
    "files without an end": [
      (hub, n) => [Array.from({ length: 20_000 }, (_, i) => file(`${n}/${i}`)), next(hub, n)],
      /more than 100000 files/,
      6,
    ],
    "long names without an end": [
      (hub, n) => [[file("x".repeat(30_000_000))], next(hub, n)],
      /more than 100 MB/,
      4,
    ],
    "a page leads nowhere": [
      () => [[], '<x:>; rel="next"'],
      /header 'Link' must have .* is '<x:>/,
      1,
    ],
    "a page leads to a file of this machine": [
      () => [[], '<file:///etc/passwd>; rel="next"'],
      /header 'Link' must have the next page's URL: current value at http.* is '<file:/,
      1,
    ],
  };
  for (const [name, [page, pattern, requests]] of Object.entries(pages)) {
    await t.step(name, () =>
      withHub(async (hub, options) => {
        let n = 0;
        const answer = () => {
          const [entries, link] = page(hub, n++);
          return Response.json(entries, { headers: { link } });
        };
        hub.faults.push({ match: /tree/, times: Infinity, answer });
        const message = await rejection(downloadModel(ID, options));
        assert.match(
          message,
          /^Cannot (download the list of files of|load) tiny\/wordpiece.*mirror$/,
        );
        assert.match(message, pattern);
        assert.equal(hub.requests.filter(({ path }) => path.includes("tree")).length, requests);
        assert.equal(existsSync(options.cacheFolder), false);
      }));
  }
});

Deno.test("downloadModel() bounds the time of a list: of silence, of an answer, of all pages", async (t) => {
  const answers: Record<string, [() => Response | Promise<Response>, RegExp]> = {
    "one byte, and the next a minute later": [() => drip("[", 60_000), /fewer than 20 bytes came/],
    "spaces without an end": [() => drip(" ".repeat(100), 5), /answer was not whole after 0\.6 s/],
  };
  for (const [name, [answer, pattern]] of Object.entries(answers)) {
    await t.step(name, () =>
      withHub(async (hub, options) => {
        hub.faults.push({ match: /tree/, times: 9, answer });
        const message = await rejection(downloadModel(ID, { ...options, timeout: 20 }));
        assert.match(
          message,
          /^Cannot download the list of files of tiny\/wordpiece: .*, 5 times\./,
        );
        assert.match(message, pattern);
      }));
  }
  await t.step("a slow page after the other", () =>
    withHub(async (hub, options) => {
      const answer = async () => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        const link = `<${hub.url}/api/models/${ID}/tree/x?c=${hub.requests.length}>; rel="next"`;
        return Response.json([], { headers: { link } });
      };
      hub.faults.push({ match: /tree/, times: Infinity, answer });
      const message = await rejection(downloadModel(ID, { ...options, timeout: 100 }));
      assert.match(
        message,
        /the list of files of tiny\/wordpiece: it was not whole after 6 s\. Ch/,
      );
    }));
});

Deno.test("missing() looks at four times as many names with four times the work", () => {
  let work = 0;
  const counted = (text: string) =>
    Object.assign(new String(text), {
      match: (pattern: RegExp) => (work++, text.match(pattern)),
      replace: (pattern: RegExp, by: string) => (work++, text.replace(pattern, by)),
    }) as unknown as string;
  const required = { weights: /^model-\d{5}-of-\d{5}\.safetensors$/ };
  const shard = (i: number) => `model-${String(i).padStart(5, "0")}-of-16001.safetensors`;
  const run = (count: number) => {
    const names = Array.from({ length: count }, (_, i) => counted(shard(i)));
    work = 0;
    const began = performance.now();
    const absent = missing(names, required);
    console.log(`${count} names: ${Math.round(performance.now() - began)} ms`);
    assert.deepEqual(absent, [`model-*-of-16001.safetensors (${count} of 16001)`]);
    return work;
  };
  assert.equal(run(16_000), 4 * run(4000));
});

Deno.test("missing() counts a shard that is named twice once", () => {
  const shard = "model-00001-of-00002.safetensors";
  assert.deepEqual(missing([shard, shard], {}), ["model-*-of-00002.safetensors (1 of 2)"]);
});

Deno.test("downloadModel() refuses a size that no file has, and a text too long to be read whole", async (t) => {
  for (const size of [-1, 1.5, 1e300, "5", null, undefined, [], {}]) {
    await t.step(`a size of ${JSON.stringify(size)}`, () =>
      withHub(async (hub, options) => {
        hub.faults.push({ match: /tree/, times: 9, answer: changed((e) => ({ ...e, size })) });
        const message = await rejection(downloadModel(ID, options));
        assert.match(message, /^Cannot load tiny\/wordpiece .* 'size' must be a number of bytes: /);
        assert.equal(existsSync(options.cacheFolder), false);
      }));
  }
  await t.step("config.json of 8 GB", () =>
    withHub(async (hub, options) => {
      const answer = changed((e) => e.path === "config.json" ? { ...e, size: 8e9 } : e);
      hub.faults.push({ match: /tree/, times: 9, answer });
      const message = await rejection(downloadModel(ID, options));
      assert.match(
        message,
        /config\.json must have at most 200 MB: current value is 8000000000 by/,
      );
      assert.equal(hub.requests.some(({ path }) => path.includes("resolve")), false);
    }));
});

Deno.test("downloadSnapshot() refuses names that are one on a disk that ignores case", () =>
  withHub(async (hub, options) => {
    const answer = () => Response.json([file("a/Model.json"), file("b"), file("A/model.json")]);
    hub.faults.push({ match: /tree/, times: 9, answer });
    const request = { type: "model" as const, name: ID, ...EVERYTHING };
    const message = await rejection(downloadSnapshot(request, options));
    assert.match(
      message,
      /'path' must be different from all others not by case alone: .* "A\/model\.json", from the Hu/,
    );
    assert.equal(existsSync(options.cacheFolder), false);
  }));

Deno.test("downloadModel() says in one sentence that a server breaks HTTP", async (t) => {
  const heads: Record<string, string> = {
    "a negative length": "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n{}",
    "two lengths": "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
    "a length beyond any disk": `HTTP/1.1 200 OK\r\ncontent-length: ${2n ** 63n}\r\n\r\n{}`,
    "a length beyond any number": `HTTP/1.1 200 OK\r\ncontent-length: ${2n ** 70n}\r\n\r\n{}`,
    "no HTTP": "SSH-2.0-OpenSSH_9.6\r\n",
    "nothing": "",
    "a status of 999": "HTTP/1.1 999 X\r\ncontent-length: 2\r\n\r\n{}",
    "no content": "HTTP/1.1 204 No Content\r\n\r\n",
    "a cut chunk": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffff\r\n{}",
    "broken gzip": "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n{}",
    "a header without an end": `HTTP/1.1 200 OK\r\nx: ${"x".repeat(1e6)}`,
  };
  for (const [name, head] of Object.entries(heads)) {
    await t.step(name, () =>
      withHub(async (_, options) => {
        const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
        const serving = (async () => {
          for await (const connection of listener) {
            await connection.read(new Uint8Array(10_000)).catch(() => {});
            await connection.write(new TextEncoder().encode(head)).catch(() => {});
            connection.close();
          }
        })();
        const endpoint = `http://127.0.0.1:${listener.addr.port}`;
        const message = await rejection(downloadModel(ID, { ...options, endpoint, timeout: 500 }));
        assert.match(message, /^Cannot (download the list of files of|load) tiny\/wordpiece/);
        assert.match(message, /Try again later|HF_ENDPOINT/);
        listener.close();
        await serving;
      }));
  }
});

Deno.test("downloadModel() follows a redirect neither for ever nor with the token to another host", async (t) => {
  await t.step("in a circle", () =>
    withHub(async (hub, options) => {
      const answer = () => Response.redirect(`${hub.url}/api/models/${ID}/tree/x`);
      hub.faults.push({ match: /tree/, times: Infinity, answer });
      const message = await rejection(downloadModel(ID, options));
      assert.match(
        message,
        /^Cannot download the list of files of .*redirect.*, 5 times\. Try again/i,
      );
      assert.ok(hub.requests.length < 150);
    }));
  for (const scheme of ["file:///etc/passwd", "data:application/json,[]", "x:"]) {
    await t.step(`to ${scheme}`, () =>
      withHub(async (hub, options) => {
        const answer = () => new Response(null, { status: 302, headers: { location: scheme } });
        hub.faults.push({ match: /tree/, times: Infinity, answer });
        const message = await rejection(downloadModel(ID, options));
        assert.match(
          message,
          /^Cannot download the list of files of tiny\/wordpiece: .* Try again/,
        );
      }));
  }
  await t.step("of a list to another host", () =>
    withHub(async (hub, options) => {
      const seen: (string | null)[] = [];
      const other = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
        seen.push(request.headers.get("authorization"));
        return new Response("{}");
      });
      const elsewhere = `http://localhost:${other.addr.port}/x`;
      const link = `<${elsewhere}>; rel="next"`;
      const answers = [
        () => Response.redirect(elsewhere),
        () => Response.json([], { headers: { link } }),
      ];
      for (const answer of answers) {
        hub.faults.push({ match: /tree/, times: 1, answer });
        const message = await rejection(downloadModel(ID, options));
        assert.match(message, /the answer must be a list of files: current value at http/);
      }
      assert.deepEqual(seen, [null, null]);
      await other.shutdown();
    }));
});

Deno.test("downloadModel() streams a file that is larger than what is read whole", () =>
  withWeights(40_000_000, async (_, options) => {
    const folder = await downloadModel(ID, options);
    assert.equal(Deno.statSync(`${folder}/model.safetensors`).size, 40_000_000);
  }));
