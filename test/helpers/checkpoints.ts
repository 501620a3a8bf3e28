import type { StoredTensor } from "lightweight-finetuning";
import { alteredCopy } from "./altered.ts";
import { fixture } from "./reference.ts";

type Tensors = Map<string, StoredTensor>;

/** A checkpoint that is not quite a classifier's, and what Transformers makes of it: test/parity compares live. */
export interface OddCheckpoint {
  what: string;
  /** The fixture that it is made from. */
  from: string;
  json?: Record<string, unknown>;
  tensors?: (tensors: Tensors) => void;
  /** Asks for so many classes, whatever sizes the head has. */
  classes?: number;
  labels: string[];
  /** Names of parameters that are initialised anew. */
  isNew?: string[];
  /** Names of tensors that are ignored with a word. */
  unexpected?: string[];
}

const LABELS = ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"];
const BERT_HEAD = ["classifier.weight", "classifier.bias"];
const POOLER = ["bert.pooler.dense.weight", "bert.pooler.dense.bias"];

const vector = (size: number): StoredTensor => ({
  dtype: "F32",
  shape: [size],
  data: new Float32Array(size).fill(0.5),
});

const without = (...names: string[]) => (tensors: Tensors) => {
  for (const name of names) tensors.delete(name);
};

/** Keeps the head's first rows. */
const firstClasses = (count: number) => (tensors: Tensors) => {
  for (const name of BERT_HEAD) {
    const { dtype, shape: [, ...rest], data } = tensors.get(name)!;
    const size = rest.reduce((a, b) => a * b, count);
    const first = (data as Float32Array).slice(0, size);
    tensors.set(name, { dtype, shape: [count, ...rest], data: first });
  }
};

export const ODD_CHECKPOINTS: OddCheckpoint[] = [
  {
    what: "two classes without names",
    from: "bert",
    json: { id2label: undefined, label2id: undefined },
    tensors: firstClasses(2),
    labels: LABELS.slice(0, 2),
  },
  {
    what: "num_labels without names",
    from: "bert",
    json: { id2label: undefined, label2id: undefined, num_labels: 4 },
    labels: LABELS,
  },
  {
    what: "fields that say no more than their absence",
    from: "bert",
    json: { num_labels: 4, problem_type: null, quantization_config: null },
    labels: LABELS,
  },
  {
    what: "a single-label classifier that says so",
    from: "bert",
    json: {
      problem_type: "single_label_classification",
      id2label: { 3: "d", 1: "b", 0: "a", 2: "c" },
      label2id: { a: 0, b: 1, c: 2, d: 3 },
    },
    labels: ["a", "b", "c", "d"],
  },
  {
    what: "a tensor that no classifier has",
    from: "bert",
    tensors: (tensors) => {
      tensors.set("loss_fct.weight", vector(3));
      tensors.set("constructor", vector(2));
    },
    labels: LABELS,
    unexpected: ["constructor", "loss_fct.weight"],
  },
  {
    what: "a layer more than config.json has",
    from: "bert",
    json: { num_hidden_layers: 1 },
    tensors: (tensors) => {
      for (const name of tensors.keys()) {
        if (name.includes("layer.1") && !name.includes("output.LayerNorm")) tensors.delete(name);
      }
    },
    labels: LABELS,
    unexpected: ["attention.output.LayerNorm", "output.LayerNorm"].flatMap((norm) =>
      ["bias", "weight"].map((part) => `bert.encoder.layer.1.${norm}.${part}`)
    ),
  },
  {
    what: "a token classifier, which has no pooler",
    from: "bert",
    tensors: without(...POOLER),
    labels: LABELS,
    isNew: POOLER,
  },
  {
    what: "a masked-language model, which has neither pooler nor head",
    from: "bert",
    json: { id2label: undefined, label2id: undefined, architectures: ["BertForMaskedLM"] },
    tensors: (tensors) => {
      without(...POOLER, ...BERT_HEAD)(tensors);
      tensors.set("cls.predictions.bias", vector(120));
    },
    labels: LABELS.slice(0, 2),
    isNew: [...POOLER, ...BERT_HEAD],
  },
  {
    what: "half a pooler",
    from: "bert",
    tensors: without("bert.pooler.dense.bias"),
    labels: LABELS,
    isNew: ["bert.pooler.dense.bias"],
  },
  {
    what: "a head without its first layer",
    from: "distilbert",
    tensors: without("pre_classifier.weight", "pre_classifier.bias"),
    labels: LABELS,
    isNew: ["pre_classifier.weight", "pre_classifier.bias"],
  },
  {
    what: "a head of another number of classes",
    from: "bert",
    classes: 3,
    labels: LABELS.slice(0, 3),
    isNew: BERT_HEAD,
  },
  {
    what: "a head of two layers and another number of classes",
    from: "roberta",
    classes: 2,
    labels: LABELS.slice(0, 2),
    isNew: ["classifier.out_proj.weight", "classifier.out_proj.bias"],
  },
  {
    what: "a regression's head, for classes",
    from: "bert",
    json: { id2label: { 0: "LABEL_0" } },
    tensors: firstClasses(1),
    classes: 4,
    labels: LABELS,
    isNew: BERT_HEAD,
  },
];

/** Writes such a checkpoint. */
export const writeOddCheckpoint = ({ from, json, tensors }: OddCheckpoint) =>
  alteredCopy(fixture(from), { ...json && { json }, ...tensors && { tensors } });
