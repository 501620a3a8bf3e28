import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import {
  downloadModel,
  loadAdapter,
  loadClassifier,
  loadTokenizer,
  mergeAdapter,
  saveModel,
  type TextModel,
} from "lightweight-finetuning";
import { downloadAdapter, publish, type PublishOptions } from "lightweight-finetuning/hub";
import { temporaryFolder } from "../helpers/altered.ts";
import type { HubServer } from "../helpers/hub_server.ts";
import { readReference } from "../helpers/reference.ts";
import { HUB, names, rejection, TOKEN, withHub } from "../helpers/with_hub.ts";

const REFERENCE = await readReference("bert");
const ADAPTER = `${REFERENCE.folder}/adapter`;
const FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"];
const card = "# A card\n";

const logits = (model: TextModel) =>
  tf.tidy(() => model.forward(REFERENCE.batch()).dataSync<"float32">());

/** Runs a test with an empty Hub, and a folder of a merged model with its tokenizer. */
async function withModel(
  test: (
    hub: HubServer,
    options: Omit<PublishOptions, "repo" | "folder" | "card"> & { cacheFolder: string },
    folder: string,
  ) => Promise<void>,
) {
  await using served = await temporaryFolder();
  await using model = await temporaryFolder();
  const classifier = await loadClassifier(REFERENCE.folder);
  await mergeAdapter(await loadAdapter(classifier, ADAPTER));
  await saveModel(classifier, model.path, await loadTokenizer(`${HUB}/models/tiny/wordpiece`));
  await withHub((hub, options) => test(hub, options, model.path), served.path);
  tf.disposeVariables();
}

Deno.test("publish() sends a merged model that downloadModel() brings back", () =>
  withModel(async (hub, options, folder) => {
    await Deno.writeTextFile(`${folder}/notes.txt`, "not to be published");
    await Deno.mkdir(`${folder}/checkpoint`);
    const url = await publish({ ...options, repo: "me/merged", folder, card });
    assert.equal(url, `${hub.url}/me/merged/commit/${hub.commits["models/me/merged"]}`);
    const { siblings } = await (await fetch(`${hub.url}/api/models/me/merged`)).json();
    const sent = siblings.map(({ rfilename }: { rfilename: string }) => rfilename).sort();
    assert.deepEqual(sent, ["README.md", ...FILES]);
    assert.equal(await (await fetch(`${hub.url}/me/merged/resolve/main/README.md`)).text(), card);
    const downloaded = await downloadModel("me/merged", options);
    for (const file of FILES) {
      assert.deepEqual(
        Deno.readFileSync(`${downloaded}/${file}`),
        Deno.readFileSync(`${folder}/${file}`),
      );
    }
    const expected = logits(await loadClassifier(folder));
    assert.deepEqual(logits(await loadClassifier(downloaded)), expected);
  }));

Deno.test("publish() sends an adapter that downloadAdapter() brings back", () =>
  withModel(async (_, options) => {
    await publish({ ...options, repo: "me/adapter", folder: ADAPTER, card });
    const downloaded = await downloadAdapter("me/adapter", options);
    assert.deepEqual(names(downloaded), ["adapter_config.json", "adapter_model.safetensors"]);
    const [ours, theirs] = await Promise.all(
      [ADAPTER, downloaded].map(async (folder) =>
        logits(await loadAdapter(await loadClassifier(REFERENCE.folder), folder))
      ),
    );
    assert.deepEqual(theirs, ours);
  }));

Deno.test("publish() makes the repository as asked, and uses one that exists", () =>
  withModel(async (hub, options) => {
    const adapter = { ...options, folder: ADAPTER, card };
    await publish({ ...adapter, repo: "me/hidden", private: true });
    await publish({ ...adapter, repo: "me/default" });
    await publish({ ...adapter, repo: "me/default", card: "# Another\n" });
    assert.deepEqual(hub.created.map(({ name, visibility }) => [name, visibility]), [
      ["hidden", "private"],
      ["default", undefined],
    ]);
    const text = await (await fetch(`${hub.url}/me/default/resolve/main/README.md`)).text();
    assert.equal(text, "# Another\n");
  }));

Deno.test("publish() works with a token that may write to one repository but make none", () =>
  withModel(async (hub, options) => {
    const adapter = { ...options, repo: "me/adapter", folder: ADAPTER, card };
    await publish(adapter);
    hub.faults.push({ match: /repos\/create/, times: 1, status: 403 });
    await publish(adapter);
  }));

Deno.test("publish() repeats what fails on the way, and sends no large file twice", async (t) => {
  for (
    const match of [
      /create/,
      /preupload/,
      /batch/,
      /upload\/\w{64}\/1$/,
      /upload\/\w{64}$/,
      /commit/,
    ]
  ) {
    await t.step(`500 at ${match.source}`, () =>
      withModel(async (hub, options, folder) => {
        hub.faults.push({ match, times: 4, status: 500 });
        await publish({ ...options, repo: "me/merged", folder, card });
        await downloadModel("me/merged", options);
      }));
  }
  await t.step(
    "the commit fails for good, and is called again",
    () =>
      withModel(async (hub, options, folder) => {
        const merged = { ...options, repo: "me/merged", folder, card };
        hub.faults.push({ match: /commit/, times: 5, status: 502 });
        assert.match(
          await rejection(publish(merged)),
          /^Cannot publish to me\/merged: the Hub answers 502, 5 times\. Try again later/,
        );
        const sent = () => hub.requests.filter(({ path }) => path.startsWith("/upload/")).length;
        const before = sent();
        assert.ok(before > 0);
        await publish(merged);
        assert.equal(sent(), before);
      }),
  );
});

Deno.test("publish() repeats an upload that was cut", () =>
  withModel(async (hub, options, folder) => {
    // A relay that breaks its first connection after 20,000 bytes and lets the others through.
    const relay = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    let connections = 0;
    const serving = (async () => {
      for await (const client of relay) {
        const server = await Deno.connect({ port: Number(new URL(hub.url).port) });
        let left = connections++ === 0 ? 20_000 : Infinity;
        const breaker = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
          transform(chunk, controller) {
            if ((left -= chunk.length) < 0) controller.error(new Error("broken"));
            else controller.enqueue(chunk);
          },
        });
        client.readable.pipeThrough(breaker).pipeTo(server.writable).catch(() => {});
        server.readable.pipeTo(client.writable).catch(() => {});
      }
    })();
    hub.uploads = `http://127.0.0.1:${relay.addr.port}`;
    await publish({ ...options, repo: "me/merged", folder, card });
    assert.ok(connections > 1);
    await downloadModel("me/merged", options);
    relay.close();
    await serving;
  }));

Deno.test("publish() says what a refusal asks for, and shows neither token nor signature", async (t) => {
  const write =
    /me\/adapter: the Hub answers \d+.*\. Set HF_TOKEN to a valid token with write permission for http/;
  const card400 =
    /me\/adapter: the Hub answers 400 \("license" must be one of a list, not \*\*\* \)$/;
  const cases: [string, RegExp, number, RegExp, RegExp][] = [
    ["an invalid token", /create/, 401, write, /create/],
    ["no write permission", /create|preupload/, 403, write, /preupload/],
    ["no permission to make one", /create/, 403, write, /preupload/],
    ["a card the Hub refuses", /commit/, 400, card400, /commit/],
    ["storage refuses", /\/upload\//, 403, /me\/adapter: the Hub answers 403/, /\/upload\//],
  ];
  for (const [name, match, status, pattern, last] of cases) {
    await t.step(name, () =>
      withModel(async (hub, options) => {
        const error = `"license" must be one of a list, not ${TOKEN} ?signature=secret`;
        const answer = () => Response.json({ error }, { status });
        hub.faults.push({ match, times: 2, answer });
        const message = await rejection(
          publish({ ...options, repo: "me/adapter", folder: ADAPTER, card }),
        );
        assert.match(message, pattern);
        assert.doesNotMatch(message, /secret/);
        assert.match(hub.requests.at(-1)!.path, last); // and nothing was repeated
      }));
  }
});

Deno.test("publish() sends the token to the Hub alone, and logs nothing", () =>
  withModel(async (hub, options, folder) => {
    const logged: unknown[] = [];
    const { log, debug, info, warn, error } = console;
    Object.assign(
      console,
      Object.fromEntries(
        Object.keys({ log, debug, info, warn, error }).map((
          name,
        ) => [name, (x: unknown) => logged.push(x)]),
      ),
    );
    try {
      await publish({ ...options, repo: "me/merged", folder, card });
    } finally {
      Object.assign(console, { log, debug, info, warn, error });
    }
    assert.deepEqual(logged, []);
    for (const { path, token } of hub.requests) {
      assert.equal(token, path.startsWith("/upload/") ? null : `Bearer ${TOKEN}`, path);
    }
  }));

Deno.test("publish() asks nothing of the Hub when something is missing", () =>
  withModel(async (hub, options, folder) => {
    const merged = { ...options, repo: "me/merged", folder, card };
    for (const repo of ["merged", "../x", "me/../x", "me/a/b", "me/", "me/\x1b[2J"]) {
      const message = await rejection(publish({ ...merged, repo }));
      assert.match(message, /^Cannot publish as 'repo' must be organisation\/name[\x20-\x7e]+$/);
    }
    for (const token of ["", "secret"]) {
      const message = await rejection(publish({ ...merged, token }));
      assert.match(
        message,
        /'HF_TOKEN' must be a token with write permission.*\/settings\/tokens$/,
      );
      assert.doesNotMatch(message, /secret/);
    }
    assert.match(await rejection(publish({ ...merged, offline: true })), /HF_HUB_OFFLINE is set/);
    for (const file of FILES.slice(0, 3)) {
      await Deno.rename(`${folder}/${file}`, `${folder}/away`);
      assert.match(
        await rejection(publish(merged)),
        /must hold config\.json, .*saveModel\(model, folder, tok/,
      );
      await Deno.rename(`${folder}/away`, `${folder}/${file}`);
    }
    const nowhere = { ...merged, folder: `${folder}/nothing` };
    assert.match(
      await rejection(publish(nowhere)),
      /nothing as it must hold .*: it holds nothing\./,
    );
    assert.equal(hub.requests.length, 0);
  }));
