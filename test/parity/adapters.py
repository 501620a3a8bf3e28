"""What peft says of an adapter of this library, and of one of its own with the same configuration.

python adapters.py FOLDER...
    reads model/, adapter/ and batch.safetensors of each
    writes theirs/, an adapter of peft's with random numbers, and logits.safetensors: ours, of
    adapter/; theirs, theirs.merged, theirs.loss and grad.<parameter>, of theirs/
"""

import sys
from pathlib import Path

import torch
from peft import PeftConfig, get_peft_model
from reference import load, load_adapter, logits, named, plain
from safetensors.torch import load_file, save_file


def add_theirs(folder):
    config = PeftConfig.from_pretrained(folder / "adapter")
    config.inference_mode = False
    model = get_peft_model(load(folder / "model"), config).eval()
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn_like(parameter)
    model.save_pretrained(folder / "theirs")
    return model


def main(folder):
    inputs = load_file(folder / "batch.safetensors")
    ours = load_adapter(load(folder / "model"), folder / "adapter")
    theirs = add_theirs(folder)
    values = {"ours": logits(ours, inputs), "theirs": logits(theirs, inputs)}
    loss = theirs(**{name: tensor.long() for name, tensor in inputs.items()}).loss
    loss.backward()
    trained = {plain(n): p.grad for n, p in theirs.named_parameters() if p.requires_grad}
    values |= named("grad.", trained) | {"theirs.loss": loss.detach()}
    theirs.merge_adapter()  # merge_and_unload fails on a head of more than one layer with IA³
    values["theirs.merged"] = logits(theirs, inputs)
    save_file(values, folder / "logits.safetensors")


if __name__ == "__main__":
    torch.manual_seed(42)
    for folder in sys.argv[1:]:
        main(Path(folder))
