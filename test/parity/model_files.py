"""What Transformers makes of checkpoints that are not quite a classifier's, and of the same saved by this library.

python model_files.py FOLDER...
    reads model/, batch.safetensors and request.json (labels to ask for, or null) of each, and saved/,
    which this library made of model/
    writes found.json: the labels, the names of new and of unexpected weights; the content of config.json as Transformers
    saves it after a training step (config), and of model/ and saved/ as it reads them then (read, ours)
    writes logits.safetensors: of model/ where no weight is new, and of saved/
"""

import json
import sys
from pathlib import Path

import torch
from reference import logits
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForSequenceClassification


def load(folder, **options):
    return AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", **options
    )


def read(folder):
    fields = AutoConfig.from_pretrained(folder).to_dict()
    return {name: value for name, value in fields.items() if name != "_name_or_path"}


def main(folder):
    labels = json.loads((folder / "request.json").read_text())
    options = {}
    if labels:
        options = {
            "num_labels": len(labels),
            "id2label": dict(enumerate(labels)),
            "label2id": {label: i for i, label in enumerate(labels)},
            "ignore_mismatched_sizes": True,
        }
    model, info = load(folder / "model", output_loading_info=True, **options)
    new = info["missing_keys"] | {name for name, *_ in info["mismatched_keys"]}
    inputs = load_file(folder / "batch.safetensors")
    values = {"ours": logits(load(folder / "saved").eval(), inputs)}
    if not new:
        values["theirs"] = logits(model.eval(), inputs)
    save_file(values, folder / "logits.safetensors")

    inputs["labels"] %= model.config.num_labels
    model(**{name: tensor.long() for name, tensor in inputs.items()})
    model.save_pretrained(folder / "theirs")
    found = {
        "labels": [model.config.id2label[i] for i in range(model.config.num_labels)],
        "new": sorted(new),
        "unexpected": sorted(info["unexpected_keys"]),
        "config": json.loads((folder / "theirs" / "config.json").read_text()),
        "read": read(folder / "theirs"),
        "ours": read(folder / "saved"),
    }
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    for folder in sys.argv[1:]:
        main(Path(folder))
