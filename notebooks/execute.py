"""Runs a notebook's cells in order and writes what came of it, a failed or stopped one's too, which nbconvert would drop.

    python notebooks/execute.py NOTEBOOK EXECUTED

Exits with 1 when a cell failed: its error is among its outputs. Without a limit of time, as a training takes hours.
"""

import sys
from pathlib import Path

import nbformat
from nbconvert.preprocessors import CellExecutionError, ExecutePreprocessor

source, target = map(Path, sys.argv[1:])
notebook = nbformat.read(source.open(encoding="utf-8"), as_version=4)
for cell in notebook.cells:
    if cell.cell_type == "code":
        cell.update(outputs=[], execution_count=None)
try:
    executor = ExecutePreprocessor(timeout=None, kernel_name="deno")
    executor.preprocess(notebook, {"metadata": {"path": str(source.parent)}})
except CellExecutionError:
    sys.exit(1)
except KeyboardInterrupt:
    sys.exit(130)
finally:
    partial = target.with_suffix(".partial")
    nbformat.write(notebook, partial)
    partial.replace(target)
