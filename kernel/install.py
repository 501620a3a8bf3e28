"""Installs the kernel `deno` (relay.py), what papermill needs for it, and JupyterLab's settings.

All go where the Python that runs this is installed.
"""

import json
import sys
import sysconfig
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

# An installed distribution, without pip, which would download an unpinned build backend:
# https://packaging.python.org/en/latest/specifications/recording-installed-packages
translator = Path(__file__).with_name("papermill_translator.py")
site = Path(sysconfig.get_path("purelib"))
info = "deno_papermill-1.dist-info"
files = {
    translator.name: translator.read_text("utf-8"),
    f"{info}/METADATA": "Metadata-Version: 2.1\nName: deno-papermill\nVersion: 1\n",
    f"{info}/entry_points.txt": f"[papermill.engine]\ndeno = {translator.stem}:Engine\n",
}
record = f"{info}/RECORD"
files[record] = "".join(f"{file},,\n" for file in (*files, record))
(site / info).mkdir(exist_ok=True)
for file, text in files.items():
    (site / file).write_text(text, "utf-8")

# At its first start JupyterLab asks whether to fetch news, over the notebook.
settings = Path(sys.prefix, "share/jupyter/lab/settings/overrides.json")
settings.parent.mkdir(parents=True, exist_ok=True)
overrides = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}
settings.write_text(json.dumps(overrides, indent=2) + "\n")
