import assert from "node:assert/strict";
import * as tf from "@tensorflow/tfjs-core";
import {
  type Adapter,
  addIa3,
  addLora,
  type Classifier,
  classify,
  disableAdapter,
  enableAdapter,
  evaluate,
  loadAdapter,
  loadClassifier,
  loadTokenizer,
  mergeAdapter,
  openDevice,
  type TextModel,
  unmergeAdapter,
} from "lightweight-finetuning";
import { port, useBf16, usePort } from "../../lib/device/port.ts";
import type { TensorFlowBackend } from "../../lib/device/tensorflow.ts";
import { tensorFlowPort } from "../../lib/device/tensorflow_port.ts";
import { lossAndGradients, PEFT, withoutGradient } from "../helpers/gradients.ts";
import { shake } from "../helpers/live.ts";
import { fixture, KINDS, readExpected, readReference } from "../helpers/reference.ts";
import { examples } from "../helpers/training.ts";

await openDevice();
const expected = await readExpected(fixture("bf16"));

// Rounding to bfloat16's eight bits errs by 2^-8 of a number at most. Independent errors add up in their squares, and
// normalisation keeps layers from amplifying them: after n roundings in a row on each side the two differ by √(2n) · 2^-8
// of their norm. In a row are, in each of the two layers, input, weight, product and sum with the bias of four linear
// layers (16), the results of attention's two products and of GELU (3), and of LoRA A, its product, this scaled, B, its
// product and the sum (6); and in the head two linear layers (8). The gradient goes the same way back, as many more.
const ROUNDINGS = 2 * (16 + 3 + 6) + 8;
const bound = (roundings: number) => Math.sqrt(2 * roundings) * 2 ** -8;

const norm = (x: Float32Array) => Math.hypot(...x);

function assertNear(
  actual: Float32Array,
  theirs: Float32Array,
  roundings: number,
  name: string,
): number {
  const difference = norm(actual.map((x, i) => x - theirs[i]!)) / norm(theirs);
  assert.ok(difference <= bound(roundings), `${name}: differs by ${difference} of its norm`);
  return difference;
}

async function load(kind: string, way: string) {
  const reference = await readReference(kind);
  const classifier = await loadClassifier(reference.folder, { dropout: 0 });
  const model = way === "lora"
    ? await loadAdapter(classifier, `${reference.folder}/adapter`)
    : classifier;
  return { classifier, model, reference };
}

function logits(model: TextModel, batch: Parameters<TextModel["forward"]>[0], bf16 = true) {
  using _ = bf16 ? useBf16() : undefined;
  return tf.tidy(() => model.forward(batch).dataSync<"float32">());
}

for (const kind of KINDS) {
  for (const way of ["full", "lora"] as const) {
    Deno.test(`${kind} ${way} in bfloat16: logits and gradients are those of torch's autocast`, async () => {
      const { classifier, model, reference } = await load(kind, way);
      const batch = reference.batch();
      const ours = logits(model, batch);
      assertNear(ours, expected.numbers(`${kind}.${way}.logits`), ROUNDINGS, "logits");
      const exact = reference.numbers(way === "lora" ? "lora.logits" : "logits");
      assert.ok(norm(ours.map((x, i) => x - exact[i]!)) > 1e-4 * norm(exact), "is it float32?");

      const theirs = expected.group(`${kind}.${way}.grad.`);
      const { gradients } = (() => {
        using _ = useBf16();
        return lossAndGradients(model, batch);
      })();
      for (const [name, gradient] of theirs.size ? gradients : []) {
        if (withoutGradient(name)) continue; // rounding alone
        const reference = theirs.get(name) ?? theirs.get(PEFT + name)!;
        assertNear(gradient, reference, 2 * ROUNDINGS, name);
      }
      classifier.dispose();
    });
  }
}

const ADAPTERS: Record<string, (model: Classifier) => Adapter> = {
  "LoRA on all layers": (model) => addLora(model, { targetModules: "all-linear" }),
  "DoRA on all layers": (model) => addLora(model, { targetModules: "all-linear", useDora: true }),
  "IA³": (model) => addIa3(model),
};

for (const [what, add] of Object.entries(ADAPTERS)) {
  for (const loadIn4bit of [false, true]) {
    Deno.test(`${what} in bfloat16, 4 bits ${loadIn4bit}: gradients are float32's, rounded`, async () => {
      for (const kind of ["bert", "distilbert"]) {
        const reference = await readReference(kind);
        const classifier = await loadClassifier(reference.folder, { loadIn4bit });
        const adapter = add(classifier);
        shake(adapter);
        const exact = lossAndGradients(adapter, reference.batch());
        using _ = useBf16();
        const { gradients } = lossAndGradients(adapter, reference.batch());
        for (const [name, gradient] of gradients) {
          assertNear(gradient, exact.gradients.get(name)!, 2 * ROUNDINGS, `${kind} ${name}`);
        }
        classifier.dispose();
      }
    });
  }
}

Deno.test("without fused kernels, as on a GPU, bfloat16 gives the same within its rounding", async () => {
  const { model, reference } = await load("bert", "lora");
  const plain = tensorFlowPort(tf.backend() as unknown as TensorFlowBackend, { binding: "" });
  using _ = usePort(plain.bf16!);
  const ours = tf.tidy(() => model.forward(reference.batch()).dataSync<"float32">());
  assertNear(ours, expected.numbers("bert.lora.logits"), ROUNDINGS, "logits");
  const theirs = expected.group("bert.lora.grad.");
  for (const [name, gradient] of lossAndGradients(model, reference.batch()).gradients) {
    assertNear(gradient, theirs.get(name) ?? theirs.get(PEFT + name)!, 2 * ROUNDINGS, name);
  }
});

Deno.test("bfloat16 follows the weights: assigned, merged, disabled and loaded ones", async () => {
  const { classifier, model: adapter, reference } = await load("bert", "lora");
  assert.ok("layers" in adapter);
  const batch = reference.batch();
  /** The logits, and those by copies that are made anew. */
  const both = () => {
    const kept = logits(classifier, batch);
    for (const variable of classifier.parameters.values()) {
      tf.tidy(() => variable.assign(tf.tensor(variable.dataSync(), variable.shape)));
    }
    return [kept, logits(classifier, batch)] as const;
  };
  const seen: Float32Array[] = [];
  const look = (what: string) => {
    const [kept, anew] = both();
    assert.deepEqual(kept, anew, what);
    seen.push(kept);
  };
  look("adapter");
  shake(classifier);
  look("shaken");
  await mergeAdapter(adapter);
  look("merged");
  unmergeAdapter(adapter);
  look("unmerged");
  disableAdapter(adapter);
  look("disabled");
  enableAdapter(adapter);
  look("enabled");
  assert.deepEqual(seen[3], seen[1]);
  assert.deepEqual(seen[5], seen[1]);
  assert.notDeepEqual(seen[0], seen[1]);
  assert.notDeepEqual(seen[4], seen[1]);
  classifier.dispose();
});

Deno.test("copies in bfloat16 go with the model, and are as many after many evaluations as after one", async () => {
  const before = tf.memory();
  const { classifier, reference } = await load("bert", "full");
  const rows = examples(reference, 2);
  await evaluate(classifier, rows, { bf16: true });
  const once = tf.memory();
  await evaluate(classifier, rows, { bf16: true });
  await evaluate(classifier, rows);
  assert.equal(tf.memory().numTensors, once.numTensors);
  classifier.dispose();
  assert.deepEqual(tf.memory(), before);
});

Deno.test("evaluate() and classify() compute in bfloat16 if asked, and leave the device as it was", async () => {
  const { classifier, reference } = await load("bert", "full");
  const rows = examples(reference, 2);
  const [exact, rounded, again] = [
    await evaluate(classifier, rows),
    await evaluate(classifier, rows, { bf16: true }),
    await evaluate(classifier, rows, {
      bf16: true,
      onBatch: () => assert.equal(port().precision, "float32"),
    }),
  ];
  assert.notDeepEqual(rounded.logits, exact.logits);
  assertNear(rounded.logits, exact.logits, ROUNDINGS, "logits");
  assert.deepEqual(rounded.logits, again.logits);
  assert.deepEqual((await evaluate(classifier, rows)).logits, exact.logits);

  const tokenizer = await loadTokenizer(fixture("hub/models/tiny/wordpiece"));
  const [one] = await classify(classifier, tokenizer, ["a goal"]);
  const [other] = await classify(classifier, tokenizer, ["a goal"], { bf16: true });
  assert.notEqual(one!.score, other!.score);
  classifier.dispose();
});

Deno.test("four bits become bfloat16 at once: the product is that of the rounded float32 weight", async () => {
  const reference = await readReference("bert");
  const model = await loadClassifier(reference.folder, { loadIn4bit: true });
  const plain = await loadClassifier(reference.folder);
  for (const [module, layer] of model.linears) {
    tf.tidy(() => plain.parameters.get(`${module}.weight`)!.assign(layer.weight()));
  }
  const batch = reference.batch();
  assert.deepEqual(logits(model, batch), logits(plain, batch));
  const { gradients } = (() => {
    using _ = useBf16();
    return lossAndGradients(addLora(model), batch);
  })();
  for (const [name, gradient] of gradients) {
    assert.ok(gradient.every(Number.isFinite), name);
  }
  model.dispose();
  plain.dispose();
});
