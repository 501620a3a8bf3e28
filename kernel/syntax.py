"""What is wrong with a cell's code. The stock kernel keeps a syntax error to itself."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path

DENO = Path(sys.executable).with_name("deno")


def error_content(ename, evalue, details=()):
    return {"ename": ename, "evalue": evalue, "traceback": [f"{ename}: {evalue}", *details]}


async def syntax_error(code):
    """The content of an error message, as the formatter tells it; None if it sees no error."""
    error = await parse(code)
    # The stock kernel first takes such a cell for an object.
    if error and code.lstrip().startswith("{") and await parse(f"({code})") is None:
        return None
    return error


async def is_complete(code, brackets):
    """The content of an is_complete_reply, which counts on the stock kernel's for `brackets`."""
    error = await syntax_error(code)
    if error is None:
        return {"status": "complete"}
    open_end = brackets["status"] == "incomplete" or "eof" in error["evalue"]
    if open_end and "string constant" not in error["evalue"]:
        return {"status": "incomplete", "indent": brackets.get("indent", "")}
    return {"status": "invalid"}


async def parse(code):
    process = await asyncio.create_subprocess_exec(
        *(DENO, "fmt", "--no-config", "--ext", "ts", "-"),
        stdin=PIPE,
        stdout=DEVNULL,
        stderr=PIPE,
        env=os.environ | {"NO_COLOR": "1"},
    )
    _, told = await process.communicate(code.encode("utf-8", "replace"))
    told = told.decode()
    parts = re.search(r"SyntaxError: (.+?)\n(.+?)\n +at \S+:(\d+):(\d+)", told, re.DOTALL)
    if parts is None:
        return None
    message, excerpt, line, column = parts.groups()
    evalue = f"{message} (line {line}, column {column})"
    return error_content("SyntaxError", evalue, excerpt.split("\n"))
