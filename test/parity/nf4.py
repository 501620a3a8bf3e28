"""What bitsandbytes, Transformers and peft say of weights held at four bits. Without dropout.

python nf4.py FOLDER ENCODER [exact]
    one step of a LoRA on an encoder with a new head, in NF4 with double quantisation; "exact"
    rounds the mean of the scales once, where PyTorch's rounding depends on the processor
    writes model/, adapter/, expected.safetensors

expected.safetensors: weights under the names of model's state_dict, dequantized.<weight>;
input_ids, attention_mask, labels; logits; lora.logits, lora.loss, lora.grad.<key of
adapter_model.safetensors>.
"""

import sys
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import patch

import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn import Linear4bit
from reference import LABELS, add_lora, load, logits, named, one_step, random_batch
from safetensors.torch import save_file
from transformers import AutoModelForSequenceClassification, BitsAndBytesConfig


def load_4bit(folder):
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        llm_int8_skip_modules=["classifier"],  # Transformers 5.23 spares the head only when told
    )
    model = AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", quantization_config=config
    )
    for module in model.modules():
        if isinstance(module, Linear4bit):  # some processors would evaluate in bfloat16
            module.support_avx512bf16_for_cpu = False
    return model.eval()


def exact_mean(numbers, mean=torch.Tensor.mean):
    return mean(numbers.double()).float()


def write(folder, encoder, exact=None):
    torch.manual_seed(42)
    load(encoder, LABELS).save_pretrained(folder / "model")
    with patch("torch.Tensor.mean", exact_mean) if exact else nullcontext():
        model = load_4bit(folder / "model")
    expected = {k: v for k, v in model.state_dict().items() if ".weight" in k}
    for name, parameter in model.named_parameters():
        if hasattr(parameter, "quant_state"):
            weight = dequantize_4bit(parameter.data, parameter.quant_state)
            expected["dequantized." + name] = weight
    inputs = random_batch([64, 33, 2, 17], model.config.vocab_size, model.config.pad_token_id)
    expected |= named("", inputs) | {"logits": logits(model, inputs)}
    lora = add_lora(model, 8, 16, zero=False)
    lora.save_pretrained(folder / "adapter")
    expected |= one_step(lora, inputs, "lora.")
    save_file(expected, folder / "expected.safetensors")


if __name__ == "__main__":
    write(*map(Path, sys.argv[1:]))
