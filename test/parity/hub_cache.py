"""Reads and fills a cache as Transformers does.

python hub_cache.py FOLDER ENDPOINT
    reads FOLDER/ours offline and through ENDPOINT, fills FOLDER/theirs and, without links, FOLDER/copied
    writes seen.json: what it found in FOLDER/ours
"""

import hashlib
import json
import os
import sys
from pathlib import Path

NAME = "tiny/wordpiece"
FILES = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]


def main(folder, endpoint):
    # Read when huggingface_hub is imported.
    os.environ.update(HF_ENDPOINT=endpoint, HF_HOME=str(folder / "hf"), HF_HUB_OFFLINE="0")
    os.environ["HF_HUB_DISABLE_XET"] = "1"  # which the Hub on loopback does not speak
    from huggingface_hub import constants, get_cached_repo_tree, scan_cache_dir, snapshot_download
    from transformers import AutoConfig, AutoTokenizer

    ours = folder / "ours"
    snapshot = Path(snapshot_download(NAME, cache_dir=ours, allow_patterns=FILES, local_files_only=True))
    tokenizer = AutoTokenizer.from_pretrained(NAME, cache_dir=ours, local_files_only=True)
    AutoConfig.from_pretrained(NAME, cache_dir=ours, local_files_only=True)
    scan = scan_cache_dir(ours)
    tree = get_cached_repo_tree(NAME, cache_dir=ours)
    online = snapshot_download(NAME, cache_dir=ours, allow_patterns=FILES)
    assert Path(online) == snapshot
    seen = {
        "snapshot": str(snapshot),
        "sha256": {f: hashlib.sha256((snapshot / f).read_bytes()).hexdigest() for f in FILES},
        "ids": tokenizer("ministers met")["input_ids"],
        "tree": {f.path: f.size for f in tree},
        "scan": [[repo.repo_id, sorted(f.file_name for r in repo.revisions for f in r.files)] for repo in scan.repos],
        "warnings": [str(warning) for warning in scan.warnings],
    }
    (folder / "seen.json").write_text(json.dumps(seen))

    snapshot_download(NAME, cache_dir=folder / "theirs", allow_patterns=FILES)
    constants.HF_HUB_DISABLE_SYMLINKS = True
    snapshot_download(NAME, cache_dir=folder / "copied", allow_patterns=FILES)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
