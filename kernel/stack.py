"""Lines and columns of an error's stack as in the cell.

The stock kernel runs what swc makes of a cell, and its stacks count in that. `deno transpile` makes
the same, with a source map.
"""

import asyncio
import base64
import bisect
import json
import re
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

from syntax import DENO, imports_of, mask

FRAME = re.compile(r"<anonymous>:(\d+):(\d+)")
BEFORE = len("'use strict'; void 0;")  # what the stock kernel adds to a cell's first line
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


async def in_cells(traceback, count, code, earlier):
    """The traceback of cell `count`. `earlier` has (count, code) of the cells before, in order."""
    maps = {}
    told = []
    for line in traceback:
        frame = FRAME.search(line)
        if frame:
            plain = re.sub(r"\x1b\[[\d;]*m", "", line)
            named = re.search(r"\bat (?:async )?(?:new )?([\w$]+)[^(]* \(<", plain)
            cells = [(count, code), *reversed(earlier)]
            if named:
                cells = [cell for cell in cells if declares(cell[1], named[1])] or cells[:1]
            number, source = cells[0] if named else (count, code)
            if source not in maps:
                maps[source] = await positions(source)
            row, column = int(frame[1]), int(frame[2])
            tokens = maps[source].get(row, [])
            column -= BEFORE * (row == 1)
            at = bisect.bisect(tokens, (column, sys.maxsize))
            if at:
                _, *place = tokens[at - 1]
                where = "<anonymous>" if number == count else f"cell [{number}]"
                line = line.replace(frame[0], f"{where}:{place[0]}:{place[1]}")
        told.append(line)
    return told


def declares(code, name):
    kinds = r"\b(?:function\s*\*?|class|const|let|var)\s+"
    return re.search(rf"{kinds}{re.escape(name)}\b", mask(code)) is not None


async def positions(code):
    """{line of what runs: [(column, line and column of the code), …]}, from 1, of each token."""
    # An import that is not used would be left out, which the stock kernel does not do.
    used = [name for item in imports_of(code) for name in item.local_values]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "cell.ts")
        file.write_text(f"{code}\n;[{', '.join(used)}]", "utf-8", "replace")
        process = await asyncio.create_subprocess_exec(
            *(DENO, "transpile", "--no-config", "--source-map", "inline", file),
            stdout=PIPE,
            stderr=DEVNULL,
        )
        out, _ = await process.communicate()
    _, _, source_map = out.decode().rpartition("base64,")
    found = {}
    source_line = source_column = 0
    mappings = json.loads(base64.b64decode(source_map))["mappings"] if source_map else ""
    for line, segments in enumerate(mappings.split(";"), 1):
        column = 0
        for segment in filter(None, segments.split(",")):
            fields = numbers(segment)
            column += fields[0]
            if len(fields) > 1:
                source_line += fields[2]
                source_column += fields[3]
                found.setdefault(line, []).append((column + 1, source_line + 1, source_column + 1))
    return found


def numbers(segment):
    """A segment of a source map: https://tc39.es/ecma426/#sec-base64-vlq"""
    found, number, shift = [], 0, 0
    for digit in map(DIGITS.index, segment):
        number |= (digit & 31) << shift
        shift += 5
        if digit < 32:
            found.append(-(number >> 1) if number & 1 else number >> 1)
            number, shift = 0, 0
    return found
