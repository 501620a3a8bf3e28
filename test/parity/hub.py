"""What Python makes of what publish() sent to a Hub, and what it sends there itself.

python hub.py FOLDER ENDPOINT
    reads me/merged and me/adapter of the Hub and batch.safetensors
    writes logits.safetensors and cards.json, by repository, and publishes FOLDER/model as me/theirs
"""

import json
import os
import sys
from pathlib import Path


def main(folder, endpoint):
    # Read when huggingface_hub is imported.
    os.environ.update(HF_ENDPOINT=endpoint, HF_HOME=str(folder / "hf"), HF_HUB_OFFLINE="0")
    os.environ["HF_HUB_DISABLE_XET"] = "1"  # which the Hub on loopback does not speak
    from huggingface_hub import HfApi, ModelCard
    from peft import PeftModel
    from reference import logits
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    inputs = load_file(folder / "batch.safetensors")
    load = AutoModelForSequenceClassification.from_pretrained
    merged = load("me/merged").eval()
    adapter = PeftModel.from_pretrained(load(folder / "model"), "me/adapter").eval()
    save_file(
        {"me/merged": logits(merged, inputs), "me/adapter": logits(adapter, inputs)},
        folder / "logits.safetensors",
    )
    AutoTokenizer.from_pretrained("me/merged")
    cards = {name: ModelCard.load(name).data for name in ["me/merged", "me/adapter"]}
    results = {
        name: {
            "base_model": card.base_model,
            "library_name": card.library_name,
            "datasets": card.datasets,
            "model_name": card.model_name,
            "results": [
                [r.task_type, r.dataset_type, r.dataset_revision, r.metric_type, r.metric_value]
                for r in card.eval_results
            ],
        }
        for name, card in cards.items()
    }
    (folder / "cards.json").write_text(json.dumps(results))

    api = HfApi(token="hf_parity")
    api.create_repo("me/theirs")
    api.upload_folder(repo_id="me/theirs", folder_path=folder / "model")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
