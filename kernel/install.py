"""Installs the kernel `deno` (relay.py) and JupyterLab's settings where the Python that runs this is installed."""

import json
import sys
from pathlib import Path

relay = Path(__file__).with_name("relay.py").resolve()
deno = Path(sys.executable).with_name("deno")
if not deno.exists():
    sys.exit(f"Cannot install the kernel as {deno} is missing: install requirements.txt first.")

folder = Path(sys.prefix, "share/jupyter/kernels/deno")
folder.mkdir(parents=True, exist_ok=True)
spec = {
    "argv": [sys.executable, str(relay), "{connection_file}"],
    "display_name": "Deno",
    "language": "typescript",
    "interrupt_mode": "message",
}
(folder / "kernel.json").write_text(json.dumps(spec, indent=2) + "\n")
print(f"kernel deno: {folder}")

# At its first start JupyterLab asks whether to fetch news, over the notebook.
settings = Path(sys.prefix, "share/jupyter/lab/settings/overrides.json")
settings.parent.mkdir(parents=True, exist_ok=True)
overrides = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}
settings.write_text(json.dumps(overrides, indent=2) + "\n")
