"""Runs a notebook's cells in order and writes what came of it, a failed or stopped one's too, which nbconvert would drop.

    python notebooks/execute.py NOTEBOOK EXECUTED

Exits with 1 when a cell failed: its error is among its outputs. SIGINT ends it, as does the end of the process that
started it, however that ends; the kernel then notices, and training writes a checkpoint. There is no limit of time, as a
training takes hours.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

import nbformat
from nbconvert.preprocessors import (
    CellExecutionError,
    CoalesceStreamsPreprocessor,
    ExecutePreprocessor,
)

PR_SET_PDEATHSIG = 1  # linux/prctl.h

source, target = map(Path, sys.argv[1:])
notebook = nbformat.read(source.open(encoding="utf-8"), as_version=4)
for cell in notebook.cells:
    if cell.cell_type == "code":
        cell.update(outputs=[], execution_count=None)


def save():
    partial = target.with_suffix(".partial")
    joined, _ = CoalesceStreamsPreprocessor().preprocess(notebook, {})
    nbformat.write(joined, partial)
    partial.replace(target)


def stop(*_):
    try:
        save()
    finally:
        os._exit(130)  # an exception out of nbclient's loop may leave it waiting for the kernel


signal.signal(signal.SIGINT, stop)
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
try:
    # Without times in the metadata, so that two runs differ in what they measured alone.
    executor = ExecutePreprocessor(timeout=None, kernel_name="deno", record_timing=False)
    executor.preprocess(notebook, {"metadata": {"path": str(source.parent)}})
except CellExecutionError:
    sys.exit(1)
finally:
    save()
