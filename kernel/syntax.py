"""What is in a cell's code, and what is wrong with it, which the stock kernel keeps to itself."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
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


# A comment, a text or a regular expression. Of a template in a template the inner one stays.
NO_CODE = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | `(?:\\.|[^`\\])*`
    | (?:^|(?<=[(,=:\[!&|?{};\n])) [ \t]* /(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/""",
    re.DOTALL | re.VERBOSE,
)
KEYWORD = re.compile(
    r"\b(?:let|var|const|using|function|class|interface|type|enum|namespace|module)\b"
)
IMPORT = re.compile(r"""(?:^|[;}\n])\s*import\s+(type\s)?([\w$\s,*{}"']+?)\s*\bfrom\s*(["'])""")
IMPORTED = re.compile(r"(type\s+)?([\w$]+)(?:\s+as\s+([\w$]+))?")


def mask(code):
    """The code with blanks for all that is none. The quotes of a text stay."""

    def blank(found):
        text = re.sub(r"[^\n]", " ", found[0])
        return found[0][0] + text[1:-1] + found[0][-1] if found[0][0] in "\"'`" else text

    return NO_CODE.sub(blank, code)


def depth(masked):
    return sum(masked.count(bracket) for bracket in "({[") - sum(map(masked.count, ")}]"))


def top_level(masked, position):
    """The keyword of a declaration outside all brackets, from where its name is; else None."""
    found = None
    for found in KEYWORD.finditer(masked, 0, position):
        pass
    return found[0] if found and depth(masked[: found.start()]) == 0 else None


@dataclass
class Import:
    module: str
    values: list  # the names asked for in braces, without those marked as types
    locals: list  # the names that it declares
    local_values: list  # those of them that are not marked as types


def imports_of(code):
    """The import declarations of a cell that declare names."""
    masked = mask(code)
    imports = []
    for found in IMPORT.finditer(masked):
        only_types, clause, quote = found.groups()
        braces = re.search(r"\{(.*?)\}", clause, re.DOTALL)
        items = braces[1].split(",") if braces else []
        items = [item for item in map(IMPORTED.fullmatch, map(str.strip, items)) if item]
        outside = re.sub(r"\{.*?\}", "", clause, flags=re.DOTALL).split(",")
        names = [item[3] or item[2] for item in items]
        names += [part.split()[-1] for part in outside if part.strip()]
        types = [item[3] or item[2] for item in items if item[1]]
        values = [] if only_types else [item[2] for item in items if not item[1]]
        local_values = [] if only_types else [name for name in names if name not in types]
        module = code[found.end() : masked.find(quote, found.end())]
        imports.append(Import(module, values, names, local_values))
    return imports


def call_around(code, position):
    """Where the name of the call ends in whose brackets a position is; None outside."""
    masked, open_brackets = mask(code[:position]), 0
    for at in range(len(masked) - 1, -1, -1):
        open_brackets += (masked[at] in "({[") - (masked[at] in ")}]")
        if open_brackets > 0:
            open_brackets = 0
            if masked[at] == "(" and re.search(r"[\w$]$", masked[:at]):
                return at
    return None


def open_text(code):
    """Where the text begins in which the code ends; None if it ends in none."""
    rest = NO_CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), code)
    found = re.search(r"`[^`]*$|[\"'][^\n]*$", rest)
    return found.start() if found and "${" not in code[found.start() :] else None
