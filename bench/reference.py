"""Python's side of the comparison, as its users would write it.

python reference.py TASK OPTIONS
    TASK is a function below, OPTIONS a JSON object; prints one line of JSON. Runs in runs/bench.
python reference.py make
    writes roberta/: a classifier of RoBERTa-base's size with random weights
python reference.py export
    writes onnx/: MiniLM with a new head, as transformers.js loads it
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}

import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    RobertaConfig,
    Trainer,
    TrainingArguments,
)

LABELS = 4
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def load(model, way="full"):
    model = AutoModelForSequenceClassification.from_pretrained(model, num_labels=LABELS)
    if way == "lora":
        targets = ["query", "value"]
        lora = LoraConfig(
            task_type="SEQ_CLS", r=8, lora_alpha=16, lora_dropout=0.1, target_modules=targets
        )
        model = get_peft_model(model, lora)
    return model.to(DEVICE)


def step(model, way, warmUp, steps, bf16=False, compile=False):
    batch = json.loads(Path("batch.json").read_text())
    ids = torch.tensor(batch["inputIds"], device=DEVICE)
    labels = torch.tensor(batch["labels"], device=DEVICE)
    mask = torch.ones_like(ids)
    model = load(model, way).train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-5, weight_decay=0, fused=True)
    run = torch.compile(model) if compile else model
    times = []
    for _ in range(warmUp + steps):
        started = time.perf_counter()
        with torch.autocast(DEVICE, torch.bfloat16, enabled=bf16):  # as Trainer does
            loss = run(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()
        times.append(time.perf_counter() - started)
    return {"rate": len(ids) / median(times[warmUp:])}


def count(model, way):
    """The floating-point operations of a step, as PyTorch counts them."""
    from torch.utils.flop_counter import FlopCounterMode

    ids = torch.tensor(json.loads(Path("batch.json").read_text())["inputIds"], device=DEVICE)
    model = load(model, way).train()
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=torch.zeros_like(ids[:, 0])).loss.backward()
    return {"operations": counter.get_total_flops()}


def tokenized(part, model, rows, padding=False):
    """The tokenizer, the rows, and the seconds that datasets.map took."""
    import datasets

    datasets.disable_caching()
    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(model)
    texts = datasets.Dataset.from_parquet(f"{part}.parquet", cache_dir=tempfile.mkdtemp())
    texts = texts.select(range(rows))
    started = time.perf_counter()
    tokens = texts.map(
        lambda batch: tokenizer(batch["text"], truncation=True, padding=padding), batched=True
    )
    return tokenizer, tokens, time.perf_counter() - started


def tokenize(model, rows):
    return {"rate": rows / tokenized("train", model, rows)[2]}


def trainer(model, tokenizer, tokens, **options):
    return Trainer(
        model,
        TrainingArguments(
            tempfile.mkdtemp(),
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=DEVICE == "cpu",  # without which bf16 is refused on a CPU
            **options,
        ),
        train_dataset=tokens,
        processing_class=tokenizer,  # from which Trainer has its dynamic padding
    )


def epoch(model, rows, padding=False, steps=-1, trainSamplingStrategy="random", bf16=False):
    tokenizer, tokens, _ = tokenized("train", model, rows, padding)
    training = trainer(
        load(model, "lora"),
        tokenizer,
        tokens,
        learning_rate=1e-3,
        num_train_epochs=1,
        max_steps=steps,
        per_device_train_batch_size=16,
        train_sampling_strategy=trainSamplingStrategy,
        bf16=bf16,
    )
    rate = training.train().metrics["train_samples_per_second"]
    ids = [batch["input_ids"] for batch in training.get_train_dataloader()]
    return {"rate": rate, "tokens": sum(x.numel() for x in ids) / rows}


def evaluate(model, rows, trainSamplingStrategy="random", bf16=False, bf16FullEval=False):
    tokenizer, tokens, _ = tokenized("test", model, rows)
    predictor = trainer(
        load(model),
        tokenizer,
        tokens,
        per_device_eval_batch_size=32,
        train_sampling_strategy=trainSamplingStrategy,  # of evaluation too, whose order it changes
        bf16=bf16,
        bf16_full_eval=bf16FullEval,
    )
    started = time.perf_counter()
    predictor.predict(tokens)
    return {"rate": rows / (time.perf_counter() - started)}


def product(size=2048, count=10, bf16=False):
    x = torch.randn(size, size, device=DEVICE, dtype=torch.bfloat16 if bf16 else torch.float32)
    times = []
    for _ in range(3 + count):
        started = time.perf_counter()
        (x @ x)[0, 0].item()
        times.append(time.perf_counter() - started)
    return {"gflops": 2 * size**3 / median(times[3:]) / 1e9}


def make():
    torch.manual_seed(42)
    config = RobertaConfig(
        vocab_size=50265,
        max_position_embeddings=514,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        num_labels=LABELS,
    )
    AutoModelForSequenceClassification.from_config(config).save_pretrained("roberta")


def export():
    Path("onnx/onnx").mkdir(parents=True, exist_ok=True)
    model = load("minilm").cpu().eval()
    ids = torch.ones(2, 8, dtype=torch.long)
    inputs = {name: ids for name in ["input_ids", "attention_mask", "token_type_ids"]}
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=512)}
    torch.onnx.export(
        model,
        kwargs=inputs,
        f="onnx/onnx/model.onnx",
        input_names=list(inputs),
        output_names=["logits"],
        dynamic_shapes={name: axes for name in inputs},
        external_data=False,
    )
    model.config.save_pretrained("onnx")
    AutoTokenizer.from_pretrained("minilm").save_pretrained("onnx")


TASKS = [step, count, tokenize, epoch, evaluate, product, make, export]

if __name__ == "__main__":
    name, *options = sys.argv[1:]
    task = {task.__name__: task for task in TASKS}[name]
    measures = task(**json.loads(options[0] if options else "{}")) or {}
    status = Path("/proc/self/status").read_text()
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    print(json.dumps({**measures, "peakMemory": int(peak) * 1024 / 1e6}))
