"""What PyTorch, Transformers and peft say, for the parity test and the fixtures. Without dropout.

python reference.py base FOLDER
    a classifier of RoBERTa-base's size with random weights, and one step of it
    writes model/, adapter/, expected.safetensors
python reference.py logits FOLDER...
    reads model/, adapter/ (if it is there) and batch.safetensors of each
    writes logits.safetensors beside them
python reference.py curve FOLDER ENCODER CSV
    50 steps, full and LoRA, of an encoder's folder with a new head on a CSV file's texts and labels
    writes model/, adapter/ (both before the first step), expected.safetensors
python reference.py bf16 FOLDER ENCODER CSV
    the same, but 200 steps by Trainer's bf16=True

model/ is Transformers', adapter/ peft's. batch.safetensors has input_ids and attention_mask.

expected.safetensors of base: input_ids, attention_mask, labels (int32); logits, loss,
full.grad.<parameter>; lora.logits, lora.loss, lora.grad.<key of adapter_model.safetensors>.
Of curve: batch.<i>.{input_ids,attention_mask,labels} and {full,lora}.{losses,gradNorms,
learningRates}, one number a step.
"""

import csv
import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    RobertaConfig,
    Trainer,
    TrainingArguments,
)

LABELS = 4
DROPOUTS = [
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "classifier_dropout",
    "dropout",  # this and the following are DistilBERT's
    "attention_dropout",
    "seq_classif_dropout",
]


def roberta_base():
    return RobertaConfig(
        vocab_size=50265,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        num_labels=LABELS,
    )


def load(folder, labels=None):
    options = {} if labels is None else {"num_labels": labels}
    config = AutoConfig.from_pretrained(folder, **options)
    for name in DROPOUTS:
        if hasattr(config, name):
            setattr(config, name, 0.0)
    model, info = AutoModelForSequenceClassification.from_pretrained(
        folder,
        config=config,
        dtype=torch.float32,
        attn_implementation="eager",
        output_loading_info=True,
    )
    missing = {name for name in info["missing_keys"] if labels is None or "classifier" not in name}
    wrong = [missing, info["unexpected_keys"], info["mismatched_keys"]]
    if any(wrong):
        raise ValueError(f"Cannot load {folder}: missing, unexpected, mismatched are {wrong}")
    return model.eval()


def load_adapter(model, folder):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Found missing adapter keys")
        return PeftModel.from_pretrained(model, folder, is_trainable=True).eval()


def add_lora(model, r, alpha, zero):
    distilbert = model.config.model_type == "distilbert"
    config = LoraConfig(
        task_type="SEQ_CLS",
        r=r,
        lora_alpha=alpha,
        lora_dropout=0.0,
        target_modules=["q_lin", "v_lin"] if distilbert else ["query", "value"],
        init_lora_weights=zero,
    )
    return get_peft_model(model, config).eval()


def to_bf16(model):
    """Has a model compute in bfloat16 where PyTorch's autocast does."""
    model.forward = torch.autocast("cpu", torch.bfloat16)(model.forward)
    return model


def batch(rows, pad, labels):
    length = max(map(len, rows))
    return {
        "input_ids": torch.tensor([row + [pad] * (length - len(row)) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(r) + [0] * (length - len(r)) for r in rows]),
        "labels": torch.tensor(labels),
    }


def random_batch(lengths, vocabulary, pad):
    """Rows of ids from 3 upwards, so that none is a padding id."""
    rows = [torch.randint(3, vocabulary, (length,)).tolist() for length in lengths]
    return batch(rows, pad, torch.randint(LABELS, (len(rows),)).tolist())


def named(prefix, tensors):
    """Tensors as a safetensors file takes them, integers as int32."""
    return {
        prefix + name: (t.detach() if t.is_floating_point() else t.to(torch.int32)).clone()
        for name, t in tensors.items()
    }


def plain(name):
    """What a parameter is called without peft's wrappers."""
    name = name.removeprefix("base_model.model.")
    for part in [".modules_to_save.default", ".base_layer", ".default"]:
        name = name.replace(part, "")
    return name.removesuffix(".weight") if "magnitude" in name else name


def trained(model, pick):
    """pick(parameter) of each trained parameter, named as the saved file names it."""
    tensors = {name: pick(p) for name, p in model.named_parameters() if p.requires_grad}
    if isinstance(model, PeftModel):
        return get_peft_model_state_dict(model, state_dict=tensors)
    return tensors


def one_step(model, inputs, prefix):
    """The logits, the loss and every gradient before clipping."""
    model.zero_grad()
    output = model(**inputs)
    output.loss.backward()
    gradients = trained(model, lambda p: torch.zeros_like(p) if p.grad is None else p.grad)
    model.zero_grad()
    return {
        **named(prefix, {"logits": output.logits, "loss": output.loss}),
        **named(prefix + "grad.", gradients),
    }


def train(model, batches, learning_rate, bf16=False):
    """Trainer's own steps, one for each batch in its order, and what it logs of them."""
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            folder,
            learning_rate=learning_rate,
            num_train_epochs=1,
            per_device_train_batch_size=1,  # of items that are whole batches
            train_sampling_strategy="sequential",
            optim="adamw_torch",
            max_grad_norm=1.0,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            remove_unused_columns=False,
            disable_tqdm=True,
            use_cpu=True,
            bf16=bf16,
        )
        trainer = Trainer(
            model, args, train_dataset=batches, data_collator=lambda items: dict(items[0])
        )
        trainer.log = lambda logs, *_: trainer.state.log_history.append(logs)
        trainer.train()
    steps = [entry for entry in trainer.state.log_history if "loss" in entry]
    model.eval()
    names = {"losses": "loss", "gradNorms": "grad_norm", "learningRates": "learning_rate"}
    return {name: torch.tensor([step[key] for step in steps]) for name, key in names.items()}


@torch.no_grad()
def logits(model, inputs):
    return model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits


def write_base(folder):
    torch.manual_seed(42)
    config = roberta_base()
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder / "model")
    inputs = random_batch([64, 33, 2, 17], config.vocab_size, config.pad_token_id)
    model = load(folder / "model")
    expected = {**named("", inputs), **one_step(model, inputs, "full.")}
    lora = add_lora(model, 8, 16, zero=False)
    lora.save_pretrained(folder / "adapter")
    expected |= one_step(lora, inputs, "lora.")
    for name in ["logits", "loss"]:
        expected[name] = expected.pop("full." + name)
    save_file(expected, folder / "expected.safetensors")


def write_logits(*folders):
    for folder in folders:
        model = load(folder / "model")
        if (folder / "adapter").exists():
            model = load_adapter(model, folder / "adapter")
        inputs = load_file(folder / "batch.safetensors")
        save_file({"logits": logits(model, inputs)}, folder / "logits.safetensors")


def write_curve(folder, encoder, table, steps=50, size=16, longest=128, bf16=False):
    torch.manual_seed(42)
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = sorted({row["label"] for row in rows})
    order = torch.randperm(len(rows)).tolist()
    rows = [rows[order[i % len(rows)]] for i in range(steps * size)]
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    texts = [row["text"] for row in rows]
    ids = tokenizer(texts, truncation=True, max_length=longest)["input_ids"]
    labels = [names.index(row["label"]) for row in rows]
    batches = [
        batch(ids[i : i + size], tokenizer.pad_token_id, labels[i : i + size])
        for i in range(0, len(rows), size)
    ]

    load(encoder, len(names)).save_pretrained(folder / "model")
    full = load(folder / "model")
    lora = add_lora(load(folder / "model"), 8, 16, zero=True)
    lora.save_pretrained(folder / "adapter")
    expected = named("full.", train(full, batches, 5e-5, bf16))
    expected |= named("lora.", train(lora, batches, 2e-3, bf16))  # so high that 50 steps show
    for i, inputs in enumerate(batches):
        expected |= named(f"batch.{i}.", inputs)
    save_file(expected, folder / "expected.safetensors")


def write_bf16(*paths):
    write_curve(*paths, steps=200, bf16=True)


COMMANDS = {"base": write_base, "logits": write_logits, "curve": write_curve, "bf16": write_bf16}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](*map(Path, sys.argv[2:]))
