"""Sets up everything that the notebooks need: .venv, node_modules, the TensorFlow binding, the kernel.

Run it again at any time: a step whose inputs have not changed since it last succeeded is skipped, and an
interrupted one is done over. Needs Python 3.10+ with venv, a C++ compiler, and access to PyPI and npm.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOG = VENV / "setup.log"
PYTHON = VENV / "bin" / "python"
DENO = VENV / "bin" / "deno"
ADDON = ROOT / "node_modules/@tensorflow/tfjs-node-gpu"
QUIET = ROOT / "lib/device/quiet.cc"
FUSED = ROOT / "lib/kernels/fused.cc"
REQUIREMENTS = ROOT / "requirements.txt"
SAMPLE_MODEL = ROOT / "requirements/sample-model.txt"  # the sample profile's weights
COMPILER = ("g++", "-std=c++17", "-fPIC")
# What this project wrote has no warnings; the last word is for AVX-512 headers of GCC (its bug 105593).
OURS = (*COMPILER, "-Wall", "-Wextra", "-Werror", "-Wno-maybe-uninitialized")
COMPILE_BINDING = (*COMPILER, "-w", "-O2", "-DNAPI_VERSION=8", "-Wl,-z,initfirst")
COMPILE_QUIET = (*OURS, "-O2", "-c")
# TensorFlow's Eigen does not compile with AVX512-FP16 (Sapphire Rapids and later); no kernel uses it.
NATIVE = ("-march=native", "-U__AVX512FP16__")
COMPILE_KERNELS = (*OURS, "-O3", *NATIVE, "-fno-math-errno", "-DNDEBUG")


def fail(message):
    sys.exit(f"Cannot set up: {message}")


# Where a company's proxy signs what it passes on, its certificate is in the system's store.
TRUST_SYSTEM = {"DENO_TLS_CA_STORE": "system,mozilla"}

# What a failing installer says, and what its reader should do about it: the first that fits, so causes before effects.
REMEDIES = {
    "CERTIFICATE_VERIFY_FAILED": "pip does not trust the certificate of the package registry, as "
    "happens behind a company's proxy. Name a file with the company's certificate and run it again: "
    "PIP_CERT=/etc/ssl/certs/ca-certificates.crt make setup (that is Debian's file of the system's).",
    "invalid peer certificate": "Deno does not trust the certificate of the npm registry, as happens "
    "behind a company's proxy. Add the company's certificate to the system's (Debian: "
    "update-ca-certificates), or name its file: DENO_CERT=company.pem make setup.",
    "SSLError": "pip cannot speak TLS with the package registry; a proxy on the way may be the cause. "
    "Check HTTPS_PROXY and PIP_CERT, run it again; see .venv/setup.log.",
    "No space left": "the disk is full. Free some gigabytes and run the same command again.",
    "ensurepip": "this Python lacks venv. Install it (Debian: apt-get install python3-venv).",
    "lockfile is out of date": "deno.lock does not match deno.json. Restore both from git.",
    "No matching distribution": "PyPI has no package for this system, or cannot be reached. "
    "Supported: Linux on x86_64 or aarch64 with Python 3.10 to 3.13; see .venv/setup.log.",
    "DO NOT MATCH THE HASHES": "a package is not the file that this project was tested with: do not "
    "use it. Try another registry (PIP_INDEX_URL), or without pip's cache (PIP_NO_CACHE_DIR=1).",
    "Temporary failure": "a package registry cannot be reached. Check the network, run it again.",
    "error sending request": "the npm registry cannot be reached. Check the network, run it again.",
    "Connection": "a package registry cannot be reached. Check the network, run it again.",
}


def run(*command):
    """Runs a command with its output in LOG; ends the set-up with one line when it fails."""
    result = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=TRUST_SYSTEM | os.environ | {"NO_COLOR": "1"},
    )
    if LOG.parent.is_dir():
        with LOG.open("a") as log:
            log.write(f"$ {' '.join(map(str, command))}\n{result.stdout}")
    if result.returncode == 0:
        return
    for sign, remedy in REMEDIES.items():
        if sign in result.stdout:
            fail(remedy)
    lines = [line for line in result.stdout.splitlines() if line.strip()] or ["no output"]
    errors = [line for line in lines if "error" in line.lower()]
    fail(f"'{Path(command[0]).name}' failed: {(errors or lines)[-1].strip()} (all of it: {LOG})")


def step(name, wait, action, target, *inputs):
    """Runs `action` unless `target` exists and `inputs` (texts, or files by content) are the same.

    `wait` says how much there is to wait for.
    """
    digest = hashlib.sha256()
    for item in inputs:
        digest.update(item.read_bytes() if isinstance(item, Path) else item.encode())
    stamp = VENV / "setup" / name.replace(" ", "-")
    if target.exists() and stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    print(f"  {name} ({wait}) …", flush=True)
    action()
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(digest.hexdigest())


def has_gpu():
    smi = shutil.which("nvidia-smi")
    return bool(smi) and subprocess.run([smi, "-L"], capture_output=True).returncode == 0


def check_machine(gpu):
    if sys.version_info < (3, 10):
        found = sys.version.split()[0]
        fail(f"Python 3.10 or newer is needed, this is {found}. Try: PYTHON=python3.12 make setup")
    if not shutil.which("g++"):
        fail("no C++ compiler (g++). Install one (Debian: apt-get install g++).")
    needed = 12 if gpu else 5
    free = shutil.disk_usage(ROOT).free / 1e9
    if not VENV.exists() and free < needed:
        fail(f"{needed} GB of free disk are needed, {free:.1f} GB are free. Free some and run again.")


def install(requirements, *options):
    """Installs what a file lists, if each package has one of its hashes."""
    command = (PYTHON, "-m", "pip", "install", "--require-hashes", *options)
    run(*command, "-r", requirements)


def tensorflow():
    """The folder of PyPI's TensorFlow, with its headers and libraries."""
    return next(VENV.glob("lib/python3*/site-packages/tensorflow"))


def compile_cpp(target, command, *words):
    """Runs a compiler with TensorFlow's headers; `target` is whole or as it was."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    run(*command, "-isystem", tensorflow() / "include", *words, "-o", partial)
    partial.replace(target)


def compile_library(target, command, *words):
    library = tensorflow()
    compile_cpp(
        *(target, command, "-shared", *words),
        *(library / "libtensorflow_cc.so.2", library / "libtensorflow_framework.so.2"),
        *("-Xlinker", "-rpath", "-Xlinker", library),  # -Wl splits at commas
    )


def compile_binding(target):
    """tfjs-node's own C++ sources, in place of its download, and quiet.cc."""
    quiet = target.with_name("quiet.o")
    compile_cpp(quiet, COMPILE_QUIET, QUIET)
    headers = ROOT / "node_modules/node-api-headers/include"
    sources = sorted(ADDON.glob("binding/*.cc"))
    compile_library(target, COMPILE_BINDING, "-isystem", headers, *sources, quiet)


def compile_kernels(target):
    """The kernels of lib/kernels, for this machine's processor."""
    compile_library(target, COMPILE_KERNELS, FUSED)


def processor():
    """What -march=native makes of this machine."""
    command = ["g++", "-march=native", "-Q", "--help=target"]
    return subprocess.run(command, capture_output=True, text=True).stdout


def main():
    gpu = has_gpu()
    check_machine(gpu)
    # Of the CPU build only the shared libraries are used, so the packages it imports stay away; the GPU build needs its
    # CUDA packages.
    tensorflow = ROOT / "requirements" / f"tensorflow-{'gpu' if gpu else 'cpu'}.txt"
    engine = (tensorflow, sys.version)
    lock = ROOT / "deno.lock"
    # Measured: files as downloaded (those of npm packed again), compilers on two cores of a server.
    step(
        "Python environment",
        "some seconds",
        lambda: run(sys.executable, "-m", "venv", VENV),
        *(PYTHON, sys.version),
    )
    step(
        "JupyterLab and Deno",
        "downloads about 100 MB",
        lambda: install(REQUIREMENTS),
        *(DENO, REQUIREMENTS, sys.version),
    )
    step(
        "TensorFlow",
        f"downloads about {'3.4 GB, CUDA included' if gpu else '270 MB'}",
        lambda: install(tensorflow, *([] if gpu else ["--no-deps"])),
        *(PYTHON, *engine),
    )
    step(
        "sample model",
        "downloads about 85 MB",
        lambda: install(SAMPLE_MODEL, "--no-deps"),
        *(PYTHON, SAMPLE_MODEL, sys.version),
    )
    step(
        "npm packages",
        "downloads about 190 MB",
        lambda: run(DENO, "install", "--frozen"),
        *(ADDON, lock, ROOT / "deno.json"),
    )
    binding = ADDON / "lib/napi-v8/tfjs_binding.node"
    step(
        "TensorFlow binding",
        "compiles for about 10 s",
        lambda: compile_binding(binding),
        binding,
        *(*engine, lock, QUIET, *COMPILE_BINDING, *COMPILE_QUIET),
    )
    kernels = binding.with_name("fused_kernels.so")
    step(
        "CPU kernels",
        "compiles for about 30 s",
        lambda: compile_kernels(kernels),
        kernels,
        *(*engine, lock, FUSED, *COMPILE_KERNELS, processor()),
    )
    spec = VENV / "share/jupyter/kernels/deno/kernel.json"
    kernel = sorted((ROOT / "kernel").glob("*.py"))
    step(
        "Jupyter kernel",
        "a moment",
        lambda: run(PYTHON, "kernel/install.py"),
        *(spec, *kernel),
    )


if __name__ == "__main__":
    main()
