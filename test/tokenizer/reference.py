"""Makes test/fixtures/tokenizer/reference.json: what Python's tokenizers gives.

python -m venv /tmp/fixtures
/tmp/fixtures/bin/pip install tokenizers==0.23.2 pyarrow==26.0.1
/tmp/fixtures/bin/python test/tokenizer/reference.py ../shared/hub
.venv/bin/deno fmt test/fixtures/tokenizer/reference.json

The argument is a folder in the Hub's layout with the AG News test split and the two tokenizers. Of
the texts only hashes are kept: sha256 of each 100 rows' ids, every row as its length and its ids,
all as little-endian int32.
"""

import hashlib
import json
import struct
import sys
from pathlib import Path

import pyarrow.parquet as pq
from tokenizers import Tokenizer

FIXTURES = Path(__file__).parent.parent / "fixtures"
MODELS = ["FacebookAI/roberta-base", "sentence-transformers/all-MiniLM-L6-v2"]
TEXTS = ["", "The home team won", "Ünïcode prices 😀 rose", "the bank " * 20, "[CLS] shares [PAD]"]
TEXTS += [
    "the\0bank",
    "\0",
    "\ufeffthe bank",
    "re\u0301cord",
    "the\r\nbank",
    "\ufffd rose",
    "👩‍👩‍👧",
]
# Repeated to a million characters.
PIECES = ["the bank ", "x", " ", "\0", "新聞", "oil😀\n", "[SEP] rose "]
LONG = 1_000_000
BLOCK = 100


def load(folder, max_length):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=max_length)
    return tokenizer


def ids(tokenizer, texts):
    return [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def block_hashes(rows):
    for start in range(0, len(rows), BLOCK):
        flat = [n for row in rows[start : start + BLOCK] for n in (len(row), *row)]
        yield hashlib.sha256(struct.pack(f"<{len(flat)}i", *flat)).hexdigest()


hub = Path(sys.argv[1])
split = hub / "datasets/fancyzhx/ag_news/data/test-00000-of-00001.parquet"
texts = pq.read_table(split)["text"].to_pylist()
tiny = load(FIXTURES / "hub/models/tiny/wordpiece", 12)
reference = {
    "tiny": [{"text": text, "ids": row} for text, row in zip(TEXTS, ids(tiny, TEXTS))],
    "long": [{"piece": p, "ids": ids(tiny, [p * (LONG // len(p))])[0]} for p in PIECES],
    "agNewsTest": {
        model: list(block_hashes(ids(load(hub / "models" / model, 512), texts))) for model in MODELS
    },
}
path = FIXTURES / "tokenizer" / "reference.json"
path.parent.mkdir(exist_ok=True)
path.write_text(json.dumps(reference, indent=1, ensure_ascii=False) + "\n")
