"""What TypeScript's language service, `deno lsp`, knows of a cell: type errors, help, completions.

Each cell that ran is a module beside the notebook, which is never written to disk. It exports what
it declares, and a later cell imports from it the names that it uses, so that a name declared again
hides the older one. Protocol:
https://microsoft.github.io/language-server-protocol/specifications/lsp/3.17/specification/
"""

import asyncio
import contextlib
import json
import os
import re
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass, field
from pathlib import Path

from syntax import DENO, imports_of, mask, top_level

MODULES = 500  # of the newest cells are kept
EMPTY_FILES = 50
TRIES = 10
TRY_SECONDS = 0.05
# An address at which nothing answers: help must never wait for a download.
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
ENVIRONMENT = dict.fromkeys(PROXIES, "http://[::1]:9") | {
    "NO_PROXY": "",
    "no_proxy": "",
    "DENO_NO_UPDATE_CHECK": "1",
    "DENO_V8_FLAGS": "--max-old-space-size=1024",
}
OPTIONS = {
    "enable": True,
    "lint": False,
    "cacheOnSave": False,
    "documentPreloadLimit": 0,
    "suggest": {"autoImports": False, "imports": {"autoDiscover": False, "hosts": {}}},
    "typescript": {"suggest": {"autoImports": False}},
}
ENDED = "the language service has ended"
ERROR = 1
# https://github.com/microsoft/TypeScript/blob/v6.0.3/src/compiler/diagnosticMessages.json
SYNTAX = range(1000, 1192)
NOT_EXPORTED = {2305, 2459, 2460, 2614, 2724}
NOT_FOUND = {2304, 2448, 2449, 2450, 2503, 2552, *range(2580, 2585), 18004}
# What only modules forbid, what running the cell says better, and what is no more than unused or an
# implicit any.
IGNORED = {
    2300, 2307, 2323, 2440, 2451, 2484, 2632,
    *range(1192, 2000), *range(6133, 6206), *range(7000, 8000),
}  # fmt: skip


@dataclass
class Module:
    """A cell's code as the language service sees it: lines of ours before and after it."""

    uri: str
    code: str
    before: str = ""
    after: str = ""
    names: dict = field(default_factory=dict)  # name: (uri, whether other cells may assign to it)
    errors: list = field(default_factory=list)  # (code, line, column, message), from 1
    refused: bool = False


class Language:
    def __init__(self):
        self.configured = asyncio.Event()
        self.ready = asyncio.Event()
        self.ended = False
        self.lock = asyncio.Lock()  # for one cell at a time
        self.answers = {}
        self.count = 0
        self.names = {}
        self.last = None  # the newest cell: its names count as soon as another one is looked at
        self.kept = []
        self.free = []  # files that are open and hold no cell

    @property
    def idle(self):
        """Whether it answers soon: it has started, and nobody waits for it."""
        return self.ready.is_set() and not self.ended and not self.lock.locked()

    # The service

    async def start(self):
        """Serves until the service ends, which then is not replaced."""
        cwd = Path.cwd()
        config = next(
            (
                folder / name
                for folder in (cwd, *cwd.parents)
                for name in ("deno.json", "deno.jsonc")
                if (folder / name).exists()
            ),
            None,
        )
        self.process = await asyncio.create_subprocess_exec(
            *("nice", DENO, "lsp"), stdin=PIPE, stdout=PIPE, stderr=DEVNULL,
            env=os.environ | ENVIRONMENT,
        )  # fmt: skip
        warming = asyncio.ensure_future(self.warm_up(cwd, config))
        warming.add_done_callback(self.warmed_up)
        try:
            while True:
                size = 0
                while header := (await self.process.stdout.readline()).strip():
                    if header.lower().startswith(b"content-length:"):
                        size = int(header.split(b":")[1])
                if not size:
                    break
                self.read(json.loads(await self.process.stdout.readexactly(size)))
        finally:
            warming.cancel()
            self.ended = True
            self.ready.set()
            for answer in self.answers.values():
                if not answer.done():
                    answer.set_exception(ConnectionError(ENDED))
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    async def warm_up(self, cwd, config):
        """Loads what the first cell is likely to need, which takes seconds."""
        self.folder = cwd
        options = OPTIONS | ({"config": config.as_uri()} if config else {})
        folder = {"uri": cwd.as_uri(), "name": cwd.name}
        able = {"hover": {"contentFormat": ["markdown"]}, "diagnostic": {}}
        await self.ask(
            "initialize",
            processId=os.getpid(), rootUri=cwd.as_uri(), workspaceFolders=[folder],
            capabilities={"textDocument": able}, initializationOptions=options,
        )  # fmt: skip
        self.tell("initialized")
        await self.configured.wait()
        try:
            await self.open("", {})
        except LookupError:  # the configuration excludes the notebook's folder
            self.folder = config.parent if config else cwd
            self.free.clear()
        with contextlib.suppress(ValueError, AttributeError, TypeError, OSError):
            imports = json.loads(config.read_text())["imports"]
            own = [name for name, path in imports.items() if path.startswith("./")]
            await self.check(await self.open("".join(f'import "{name}";\n' for name in own), {}))
        self.ready.set()

    def warmed_up(self, warming):
        if not warming.cancelled() and warming.exception():
            self.process.kill()

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0"} | message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def tell(self, method, **params):
        self.send({"method": method, "params": params})

    async def ask(self, method, **params):
        if self.ended:
            raise ConnectionError(ENDED)
        self.count += 1
        answer = self.answers[self.count] = asyncio.get_running_loop().create_future()
        self.send({"id": self.count, "method": method, "params": params})
        return await answer

    def read(self, message):
        if "method" not in message:
            answer = self.answers.pop(message["id"], None)
            if answer and not answer.done():
                answer.set_result(message.get("result"))
        elif message["method"] == "deno/didRefreshDenoConfigurationTree":
            self.configured.set()
        elif "id" in message:  # it asks us
            self.send({"id": message["id"], "result": None})

    # Cells as modules

    async def open(self, code, names):
        """A module of this code, in which these names of other cells are known."""
        if not self.free:
            self.open_empty()
        module = Module(self.free.pop(), code)
        symbols = await self.current(module, "let cell{0}$;", "documentSymbol")
        masked = mask(code)
        own = {name: False for item in imports_of(code) for name in item.locals}
        for symbol in symbols:
            at = symbol["selectionRange"]["start"]
            place = offset(code, at["line"] - 1, at["character"]) if at["line"] else 0
            keyword = top_level(masked, place)
            if keyword and re.fullmatch(r"[\w$]+", symbol["name"]):
                own[symbol["name"]] = keyword in ("let", "var")
        module.names = {name: (module.uri, assigned) for name, assigned in own.items()}
        module.before = "".join(
            f'import {{ {name} as {name}$before }} from "{uri}"; '
            # Another cell may have given it a value since.
            f"let {name}: typeof {name}$before = {name}$before!; "
            if assigned
            else f'import {{ {name} }} from "{uri}"; '
            for name, (uri, assigned) in names.items()
            if name not in own and name in set(re.findall(r"[\w$]+", code))
        )
        module.after = f"export {{ {', '.join(own)} }};"
        return module

    async def current(self, module, mark, method):
        """A list of what the service says of a module, and of a mark in its first line.

        The service may handle two messages in the wrong order; of an excluded folder it knows none.
        """
        self.count += 1
        mark, version = mark.format(self.count), str(self.count)
        for _ in range(TRIES):
            self.change(module, mark)
            answer = await self.ask(f"textDocument/{method}", textDocument={"uri": module.uri})
            answer = answer["items"] if isinstance(answer, dict) else answer or []
            if any(version in item.get("message", item.get("name")) for item in answer):
                return answer
            await asyncio.sleep(TRY_SECONDS)
        raise LookupError(f"the language service does not know {module.uri}")

    def open_empty(self):
        """Opens files in advance: a new file costs the service 0.2 s, a changed one less."""
        for _ in range(EMPTY_FILES):
            self.count += 1
            uri = (self.folder / f".deno-cell-{self.count}.ts").as_uri()
            file = {"uri": uri, "version": 0, "languageId": "typescript", "text": "export {};"}
            self.tell("textDocument/didOpen", textDocument=file)
            self.free.append(uri)

    def change(self, module, mark):
        self.count += 1
        file = {"uri": module.uri, "version": self.count}
        text = f"{mark}{module.before}\n{module.code}\n{module.after}"
        self.tell("textDocument/didChange", textDocument=file, contentChanges=[{"text": text}])

    async def check(self, module):
        lines = module.code.count("\n") + 1
        for item in await self.current(module, '"{0}" satisfies never;', "diagnostic"):
            start = item["range"]["start"]
            inside = 1 <= start["line"] <= lines
            if inside and item.get("severity") == ERROR and item.get("source") == "deno-ts":
                at = offset(module.code, start["line"] - 1, start["character"])
                column = at - (module.code.rfind("\n", 0, at) + 1) + 1
                module.errors.append((item["code"], start["line"], column, item["message"]))

    def known(self):
        if self.last and not self.last.refused and self.last.names:
            self.names = self.names | self.last.names
            self.kept.append(self.last.uri)
        elif self.last:
            self.free.append(self.last.uri)
        self.last = None
        while len(self.kept) > MODULES:
            old = self.kept.pop(0)
            self.free.append(old)
            self.names = {name: at for name, at in self.names.items() if at[0] != old}
        return self.names

    async def run(self, code, check=True):
        """The module of a cell that is about to run. One to be `refused` is forgotten.

        Cells that nobody waits for need no check: so the service catches up with them.
        """
        async with self.lock:
            await self.ready.wait()
            module = await self.open(code, self.known())
            if check:
                await self.check(module)
            else:
                self.change(module, "")
            module.refused = any(error[0] in SYNTAX for error in module.errors)
            self.last = module
            return module

    @contextlib.asynccontextmanager
    async def draft(self, code):
        """A module of a cell that is being written."""
        await self.ready.wait()
        async with self.lock:
            module = await self.open(code, self.known())
            self.change(module, "")
            try:
                yield module
            finally:
                self.free.append(module.uri)

    # Help

    async def hover(self, code, positions):
        """Markdown of what is at the first of these positions that has any; None without."""
        async with self.draft(code) as module:
            for position in positions:
                hover = await self.at("textDocument/hover", module, position)
                if hover:
                    # A link into a file of the service's own leads nowhere.
                    return re.sub(r"\[(.+?)\]\((?:file|deno):[^)]*\)", r"\1",
                                  hover["contents"]["value"])  # fmt: skip
        return None

    async def complete(self, code, position):
        """(start, text, rank) of what may stand at a position. Rank "15" and on is global."""
        async with self.draft(code) as module:
            reply = await self.at("textDocument/completion", module, position)
        word = position - len(re.search(r"[\w$]*$", code[:position])[0])
        items = reply["items"] if isinstance(reply, dict) else reply or []
        found = []
        for item in items:
            start, text = word, item.get("insertText", item["label"])
            if edit := item.get("textEdit"):
                at = (edit.get("range") or edit["insert"])["start"]
                start, text = offset(code, at["line"] - 1, at["character"]), edit["newText"]
            if not text.endswith("$before"):
                found.append((start, text, item.get("sortText", "")))
        return found

    def at(self, method, module, position):
        before = module.code[:position]
        line = before[before.rfind("\n") + 1 :]
        place = {"line": before.count("\n") + 1, "character": len(line.encode("utf-16-le")) // 2}
        return self.ask(method, textDocument={"uri": module.uri}, position=place)


def warnings_of(module):
    """The errors that may be a cell's own, with short messages."""
    if any(error[0] in SYNTAX for error in module.errors):
        return []
    ignored = IGNORED | NOT_EXPORTED
    if "globalThis" in module.code:  # where a cell may declare any name
        ignored |= NOT_FOUND
    return [
        (code, line, column, " … ".join(dict.fromkeys(short(message))))
        for code, line, column, message in module.errors
        if code not in ignored
    ]


def short(message):
    """TypeScript's conclusion and the reason at its end."""
    lines = [f"{line.strip():.200}" for line in message.split("\n")]
    return lines[0], lines[-1]


def offset(code, line, character):
    """Where in the code a position of the protocol is, which counts in UTF-16."""
    lines = code.split("\n")
    units = lines[line].encode("utf-16-le")[: 2 * character]
    return sum(len(text) + 1 for text in lines[:line]) + len(units.decode("utf-16-le", "ignore"))
