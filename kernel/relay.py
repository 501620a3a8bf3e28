"""The Jupyter kernel `deno`: a relay between a Jupyter client and the stock Deno kernel.

The stock kernel (`deno jupyter --kernel`, 2.9.8) ends a cell before its output is out, dies of
SIGINT, drops native output, and gives no message for a syntax error. It runs the cells and
completes the names there are at run time; the relay answers everything else. Protocol:
https://jupyter-client.readthedocs.io/en/stable/messaging.html
"""

import asyncio
import codecs
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import zmq
import zmq.asyncio
from history import History
from jupyter_client.connect import write_connection_file
from jupyter_client.jsonutil import json_default
from jupyter_client.session import Session
from language import NOT_EXPORTED, NOT_FOUND, Language, warnings_of
from stack import in_cells
from syntax import (
    DENO,
    call_around,
    error_content,
    imports_of,
    is_complete,
    open_text,
    syntax_error,
)

PRELUDE = Path(__file__).with_name("prelude.js")
FLUSH_SECONDS = 5
STOP_SECONDS = 2.5
END_CELL_SECONDS = 10
ANSWER_SECONDS = 5
CHECK_SECONDS = 1
WARNINGS = 3  # of a cell
# A name that a module lacks may be a type: the language service knows, which starts in seconds.
MISSING_SECONDS = 20
# A training that hears SIGTERM ends its step and writes a checkpoint.
END_SECONDS = 60
# Run All sends its cells one by one; those that come this soon after a failed one are aborted.
ABORT_SECONDS = 0.1
# JupyterLab drops output when more than 1,000 messages a second arrive.
MERGE_SECONDS = 0.05
MERGE_IN_ORDER = 20
# So many messages are kept for a client that does not read; more are dropped.
CLIENT_MESSAGES = 10_000

STOP_UNHEARD = (
    f"Stop: the cell has been busy for {STOP_SECONDS} s and ends at its next pause. Press Stop "
    "again to end it at once: all variables are kept. If it goes on even then, choose Kernel > "
    "Restart and run the notebook from its start.\n"
)
STOP_HEARD = (
    f"Stop: the cell goes on after {STOP_SECONDS} s, as what it waits for cannot be stopped. Wait "
    "for its end, or choose Kernel > Restart and run the notebook from its start. (Your own loop "
    "can listen: Deno.addSignalListener with SIGINT.)\n"
)
INCOMPLETE = (
    f"The Deno process is busy and did not answer for {FLUSH_SECONDS} s after this cell: some "
    "output may be missing. Await what the cell started.\n"
)
NO_REASON = error_content("Error", "the stock Deno kernel did not run the cell and gives no reason")
ENDED = error_content("Stopped", "the cell was ended where it stood; all variables are kept")
NOT_ENDED = error_content(
    "Stopped",
    f"the cell did not end within {END_CELL_SECONDS} s: native code or a timer runs, or a variable "
    "holds the promise that it awaits. If the next cell does not start, only Restart helps, and "
    "loses the variables",
)
UNPAIRED = error_content(
    "UnpairedSurrogate",
    "the cell ran, but its value or error holds half of a surrogate pair, which the stock Deno "
    "kernel cannot pass on: string.toWellFormed() replaces it",
)

MEMBERS = """{{
    [Symbol.for("Jupyter.display")]() {{
        const names = [];
        for (let at = Object({0}); at; at = Object.getPrototypeOf(at)) {{
            names.push(...Object.getOwnPropertyNames(at).filter((name) => /^[\\w$]+$/.test(name)));
        }}
        return {{ "text/plain": [...new Set(names)].join(" ") }};
    }}
}}"""

SHOWN = """((text) => ({{
    [Symbol.for("Jupyter.display")]: () => ({{ "text/plain": text }})
}}))({0})"""
MISSING = """await import({0}).then((it) => {1}.filter((name) => !(name in it)).join(" "))"""

# Half of a surrogate pair, which JSON can hold, has no UTF-8.
REPLACEMENT = "\ufffd".encode()
codecs.register_error("unpaired", lambda at: (REPLACEMENT * (at.end - at.start), at.end))


def pack(part):
    return json.dumps(part, default=json_default, ensure_ascii=False).encode("utf-8", "unpaired")


@contextlib.contextmanager
def dropping():
    """Ends the handling of a message at its first error: none may end the relay."""
    try:
        yield
    except Exception as error:
        print(f"deno kernel: message dropped: {error!r:.300}", file=sys.stderr)


@dataclass
class Cell:
    """An execute_request, the identity of the client it is from, and what became of it."""

    request: dict
    client: list
    count: int
    silent: bool
    running: bool = True
    stopped: bool = False
    unheard: int = 0  # Stops since it last yielded
    asks_input: bool = False
    told: str = ""
    terminated: bool = False
    given_up: bool = False
    errors: list = field(default_factory=list)
    result: dict = field(default_factory=dict)


class Relay:
    def __init__(self, connection):
        self.session = Session(key=connection["key"].encode())
        self.session.pack = pack
        self.context = zmq.asyncio.Context()
        routers = dict.fromkeys(("shell", "control", "stdin", "hb"), zmq.ROUTER)
        self.client = self.sockets(connection, "bind", routers | {"iopub": zmq.PUB})
        self.queue = asyncio.Queue()  # (channel, client, request)
        self.replies = {}  # msg_id of a request to the stock kernel: Future of its reply's content
        self.flushed = None  # Future of the prelude's answer
        self.arrived = 0  # messages on the stock kernel's iopub
        self.value = None  # the data of an expression that evaluate() asks for
        self.text = []  # [name of the stream, texts], not yet shown
        self.count = 0
        self.history = History()
        self.language = Language()
        self.cell = None  # the last one, running or not
        self.ready = self.closing = False
        self.native = []

    def sockets(self, connection, attach, kinds):
        sockets = {}
        for name, kind in kinds.items():
            socket = sockets[name] = self.context.socket(kind)
            socket.set_hwm(CLIENT_MESSAGES if attach == "bind" else 0)
            socket.linger = 1000 if attach == "bind" else 0
            if kind == zmq.ROUTER:
                socket.router_handover = 1  # a client that reconnects keeps its identity
            if kind == zmq.SUB:
                socket.subscribe(b"")
            separator = ":" if connection["transport"] == "tcp" else "-"
            address = f"{connection['ip']}{separator}{connection[f'{name}_port']}"
            getattr(socket, attach)(f"{connection['transport']}://{address}")
        return sockets

    async def serve(self):
        """Runs until the stock kernel ends. Returns the exit code: 0 if that was asked for."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self.stop)
        terminated = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, terminated.set)
        file, connection = write_connection_file(key=self.session.key)
        dealers = dict.fromkeys(("shell", "control", "stdin"), zmq.DEALER)
        self.stock = self.sockets(connection, "connect", dealers | {"iopub": zmq.SUB})
        pipes = {name: self.native_pipe(name) for name in ("stdout", "stderr")}
        self.process = await asyncio.create_subprocess_exec(
            DENO, "jupyter", "--kernel", "--conn", file, stdin=subprocess.DEVNULL, **pipes
        )
        ended = asyncio.ensure_future(self.process.wait())
        client, stock = self.client, self.stock
        tasks = [
            asyncio.ensure_future(task)
            for task in (
                self.listen(client["shell"], self.from_client_shell),
                self.listen(client["control"], self.from_client_control),
                self.listen(client["stdin"], self.from_client_stdin),
                self.listen(stock["shell"], self.from_stock_shell),
                self.listen(stock["stdin"], self.from_stock_stdin),
                self.listen(stock["iopub"], self.from_stock_iopub),
                self.heartbeat(), self.work(file), parent_ended(), terminated.wait(),
            )
        ]  # fmt: skip
        done, _ = await asyncio.wait([ended, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if not ended.done():
            self.signal(signal.SIGTERM)
            await asyncio.wait([ended], timeout=END_SECONDS)
        elif not self.closing:
            self.report_end(ended.result())
        self.context.destroy()
        return 0 if self.closing else 1

    # Messages

    async def listen(self, socket, handle):
        """Hands over what is signed with our key and has the form of a message."""
        while True:
            with dropping():
                client, frames = self.session.feed_identities(await socket.recv_multipart())
                message = self.session.deserialize(frames)
                for part in ("header", "parent_header", "metadata", "content"):
                    if not isinstance(message[part], dict):
                        raise TypeError(f"{part} must be an object: {message[part]!r}")
                kind = message["header"]["msg_type"]
                if not isinstance(kind, str):
                    raise TypeError(f"msg_type must be a string: {kind!r}")
                handle(client, message, kind)

    def send(self, socket, message, client=None):
        frames = self.session.serialize(message, client)
        return socket.send_multipart(frames + message.get("buffers", []))

    def publish(self, kind, content, request):
        self.send_text()
        self.send(self.client["iopub"], self.session.msg(kind, content, parent=request))

    def reply(self, channel, client, request, content):
        kind = request["header"]["msg_type"]
        kind = "comm_close" if kind == "comm_open" else kind.replace("_request", "_reply")
        self.send(self.client[channel], self.session.msg(kind, content, parent=request), client)

    def tell_stock(self, channel, kind, content):
        message = self.session.msg(kind, content)
        self.send(self.stock[channel], message)
        return message["header"]["msg_id"]

    async def ask(self, kind, content):
        reply = asyncio.Future()
        self.replies[self.tell_stock("shell", kind, content)] = reply
        return await reply

    # What the client sends

    def from_client_shell(self, client, request, _):
        self.queue.put_nowait(("shell", client, request))

    def from_client_control(self, client, request, kind):
        content = {"status": "ok"}
        if kind == "interrupt_request":
            self.stop()
        elif kind == "shutdown_request":
            self.closing = True
            content["restart"] = bool(request["content"].get("restart"))
            if self.cell and self.cell.running:
                self.signal(signal.SIGTERM)  # unlike the stock kernel's own end, it can be heard
            else:
                self.tell_stock("control", "shutdown_request", {"restart": False})
        elif kind == "debug_request":
            content = no_debugger(request["content"])
        elif kind != "kernel_info_request":
            content = unknown(kind)
        elif self.ready:
            content = self.info
        else:
            self.queue.put_nowait(("control", client, request))
            return
        self.reply("control", client, request, content)

    def from_client_stdin(self, _, message, kind):
        if kind == "input_reply":
            self.answer_input(message["content"].get("value"))

    def answer_input(self, value):
        if self.cell and self.cell.asks_input:  # a late answer would meet the next question
            self.cell.asks_input = False
            self.tell_stock("stdin", "input_reply", {"value": value})

    async def heartbeat(self):
        while True:
            with dropping():
                await self.client["hb"].send_multipart(await self.client["hb"].recv_multipart())

    # What the stock kernel sends

    def from_stock_shell(self, _, message, __):
        reply = self.replies.pop(message["parent_header"].get("msg_id"), None)
        if reply and not reply.done():
            reply.set_result(message["content"])

    def from_stock_stdin(self, _, message, kind):
        self.cell.asks_input = True
        question = self.session.msg(kind, message["content"], parent=self.cell.request)
        self.send(self.client["stdin"], question, self.cell.client)

    def from_stock_iopub(self, _, message, kind):
        content, cell = message["content"], self.cell
        self.arrived += 1
        if kind == "relay_flushed":
            if not self.flushed.done():
                self.flushed.set_result(content)
        elif cell is None or kind in ("status", "execute_input"):
            pass  # the relay sends its own
        elif kind == "relay_stop_heard":
            cell.unheard = 0
        elif kind == "stream":
            self.print(str(content["name"]), str(content["text"]))
        elif self.value is not None and kind in ("error", "execute_result"):
            self.value = without_colours(content.get("data", self.value))
        elif kind == "error" and cell.running:
            cell.errors.append(content)  # it overtakes what was printed before
        elif not cell.silent:
            if kind == "execute_result":
                cell.result = content["data"] = without_colours(content["data"])
            message["parent_header"] = cell.request["header"]
            self.send_text()
            self.send(self.client["iopub"], message)

    def print(self, name, text):
        """Shows text under the last cell, or in Jupyter's log before there is one."""
        if self.cell is None:
            sys.stderr.write(text)
        elif not self.cell.silent:
            if not self.text:
                asyncio.get_running_loop().call_later(MERGE_SECONDS, self.send_text)
            if not self.text or self.text[-1][0] != name:
                self.text.append([name, []])
            self.text[-1][1].append(text)

    def send_text(self):
        """Shows what was printed: in order, or by stream if the two took turns too often."""
        text, self.text = self.text, []
        if len(text) > MERGE_IN_ORDER:
            text = [
                (name, [part for other, parts in text if other == name for part in parts])
                for name in dict(text)
            ]
        for name, parts in text:
            self.publish("stream", {"name": name, "text": "".join(parts)}, self.cell.request)

    def native_pipe(self, name):
        """A pipe's end for the stock kernel's file descriptor 1 or 2.

        It stays open here too, so that the other end never reads as ended.
        """
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")

        def read():
            try:
                text = decoder.decode(os.read(read_end, 65536))  # a full pipe's worth
            except BlockingIOError:
                return
            # After a forced end the stock kernel says "CDP response has null result".
            if not (self.cell and self.cell.terminated):
                self.print(name, text)

        asyncio.get_running_loop().add_reader(read_end, read)
        self.native.append(read)
        return write_end

    # Cells

    async def work(self, connection_file):
        content = {"code": PRELUDE.read_text(), "silent": True, "store_history": False}
        reply = await self.ask("execute_request", content)
        if reply["status"] != "ok":
            raise RuntimeError(f"{PRELUDE} must run in the stock kernel, which says: {reply}")
        os.unlink(connection_file)
        while await self.flush(0.05) is None:  # until the stock kernel has seen our subscription
            pass
        self.info = await self.ask("kernel_info_request", {})
        self.ready = True
        serving = asyncio.ensure_future(self.language.start())
        serving.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        while True:
            channel, client, request = await self.queue.get()
            with dropping():
                if request["header"]["msg_type"] == "execute_request":
                    await self.execute(client, request)
                else:
                    await self.answer(channel, client, request)

    async def flush(self, seconds):
        """Waits until all that the stock kernel has to send is here.

        None if nothing came for so many seconds.

        Prints, displays and the prelude's answer leave it through one queue, in order. To ask by an
        execute_request would be unsafe: its status messages do not queue, and break into a large
        display that is still being written.
        """
        self.flushed = asyncio.Future()
        self.signal(signal.SIGUSR2)
        arrived = None
        while not self.flushed.done():
            if arrived == self.arrived:
                return None
            arrived = self.arrived
            await asyncio.wait([self.flushed], timeout=seconds)
        for read in self.native:
            read()
        return self.flushed.result()

    async def execute(self, client, request):
        asked = request["content"]
        code, silent = asked["code"], bool(asked.get("silent"))
        expressions = asked.get("user_expressions") or {}
        if not isinstance(code, str) or not isinstance(expressions, dict):
            raise TypeError("code must be a string and user_expressions an object")
        stored = not silent and bool(asked.get("store_history", True))
        self.count += stored
        self.send_text()
        cell = self.cell = Cell(request, client, self.count, silent)
        self.publish("status", {"execution_state": "busy"}, request)
        if not silent:
            self.publish("execute_input", {"code": code, "execution_count": cell.count}, request)
        allow_stdin = asked.get("allow_stdin") is True
        content = await self.refusal(cell, code)
        if content is None:
            execute = {"code": code, "silent": silent, "store_history": stored}
            content = await self.ask("execute_request", execute | {"allow_stdin": allow_stdin})
        answer = None if cell.given_up else await self.flush(FLUSH_SECONDS)
        if content["status"] == "ok":
            content["user_expressions"] = {
                name: await self.evaluate(expression) for name, expression in expressions.items()
            }
        cell.running = False
        if answer is None and not cell.given_up:
            self.print("stderr", INCOMPLETE)
        if content["status"] == "error":
            content |= await self.error(cell, content, answer or {})
            earlier = [item[:2] for item in self.history.cells]
            with contextlib.suppress(OSError, ValueError):
                content["traceback"] = await in_cells(
                    content["traceback"], cell.count, code, earlier
                )
            cell.errors = [{key: content[key] for key in ("ename", "evalue", "traceback")}]
        for error in [] if silent else cell.errors:
            self.publish("error", error, request)
        if stored:
            self.history.add(cell.count, code, cell.result.get("text/plain"))
        abort = cell.stopped or (content["status"] == "error" and asked.get("stop_on_error", True))
        queued = []
        if abort:
            await asyncio.sleep(ABORT_SECONDS)
            queued = [self.queue.get_nowait() for _ in range(self.queue.qsize())]
        self.finish(cell, content)
        for item in queued:
            with dropping():
                await self.answer(*item)

    async def refusal(self, cell, code):
        """Warns of a cell's type errors. The content of its reply if it must not run, else None."""
        idle = self.language.idle
        missing = await self.missing(code)
        checked = asyncio.ensure_future(self.language.run(code, check=idle or bool(missing)))
        checked.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        end = time.monotonic() + (MISSING_SECONDS if missing else CHECK_SECONDS if idle else 0)
        while not checked.done() and time.monotonic() < end and not cell.stopped:
            await asyncio.wait([checked], timeout=min(end - time.monotonic(), 0.1))
        module = None
        if checked.done() and not checked.cancelled() and not checked.exception():
            module = checked.result()
        refusal = None
        if cell.stopped:
            refusal = ENDED
        elif module:
            refusal = not_exported(module, missing)
        if refusal:
            if module:
                module.refused = True
            return {"status": "error"} | refusal
        if module:
            await self.warn(module)
        return None

    async def missing(self, code):
        """(name, module) of what a cell imports and is not there, or is a type."""
        missing = []
        for item in imports_of(code):
            if item.values:
                names = MISSING.format(json.dumps(item.module), json.dumps(item.values))
                names = await self.text_of(names)
                missing += [(name, item.module) for name in names.split()]
        return missing

    async def warn(self, module):
        """Prints the type errors of a cell. Names that exist at run time are no errors."""
        warnings = warnings_of(module)
        names = [re.search(r"'([\w$]+)'", error[3]) for error in warnings if error[0] in NOT_FOUND]
        there = " + ".join(
            f'(typeof {name[1]} === "undefined" ? "" : " {name[1]}")' for name in names if name
        )
        there = (await self.text_of(there)).split() if there else []
        warnings = [
            (line, column, message)
            for code, line, column, message in warnings
            if not (code in NOT_FOUND and re.search(r"'([\w$]+)'", message)[1] in there)
        ]
        for line, column, message in warnings[:WARNINGS]:
            self.print("stderr", f"Type error in line {line}, column {column}: {message}\n")

    async def text_of(self, expression):
        """The text that an expression gives; none if it fails."""
        value = await self.evaluate(SHOWN.format(expression))
        return value.get("data", {}).get("text/plain", "")

    def finish(self, cell, content):
        content = content | {"execution_count": cell.count}
        self.reply("shell", cell.client, cell.request, content)
        self.publish("status", {"execution_state": "idle"}, cell.request)

    async def error(self, cell, content, answer):
        """What the stock kernel tells of an error, or keeps to itself."""
        if cell.terminated:
            return NOT_ENDED if cell.given_up else ENDED
        if content["evalue"] == "Execution failed":
            return await syntax_error(cell.request["content"]["code"]) or NO_REASON
        if content["ename"] == content["evalue"] == "Unterminated string literal":
            return UNPAIRED
        thrown = answer.get("thrown")
        told = thrown and content["evalue"] == (thrown["message"] or "(none)")
        if told and thrown["isError"]:
            return {"traceback": thrown["text"].split("\n")}
        if not any(content["traceback"]):
            evalue = thrown["text"] if told else content["evalue"]
            return {"evalue": evalue, "traceback": f"Uncaught {evalue}".split("\n")}
        return {}

    # Requests that run no cell

    async def answer(self, channel, client, request):
        kind, content = request["header"]["msg_type"], request["content"]
        self.publish("status", {"execution_state": "busy"}, request)
        try:
            reply = await asyncio.wait_for(self.answer_to(kind, content), ANSWER_SECONDS)
        except Exception as error:  # a field lacks or has a wrong type; an inspected getter hangs
            name = type(error).__name__
            reply = {"status": "error"} | error_content(name, str(error))
        if reply is not None:
            self.reply(channel, client, request, reply)
        self.publish("status", {"execution_state": "idle"}, request)

    async def answer_to(self, kind, content):
        if kind == "execute_request":  # only one that came too soon after an error
            return {"status": "aborted"}
        if kind == "kernel_info_request":
            return self.info
        if kind == "complete_request":
            return await self.complete(str(content["code"]), int(content["cursor_pos"]))
        if kind == "inspect_request":
            return await self.inspect(str(content["code"]), int(content["cursor_pos"]))
        if kind == "is_complete_request":
            # The stock kernel counts brackets.
            brackets = await self.ask(kind, {"code": str(content["code"])})
            return await is_complete(str(content["code"]), brackets)
        if kind == "history_request":
            return {"status": "ok", "history": self.history.find(content)}
        if kind == "comm_info_request":
            return {"status": "ok", "comms": {}}
        if kind == "comm_open":  # there is no target
            return {"comm_id": content["comm_id"], "data": {}}
        return unknown(kind) if kind.endswith("_request") else None

    async def complete(self, code, position):
        known = await in_time(self.language.complete(code, position)) or []
        before = code[:position]
        text = open_text(before)
        if text is not None:
            if not re.search(r"\b(from|import)\s*\(?\s*$", before[:text]):
                known += await self.files(before[text], before[text + 1 :], position)
            known = [item for item in known if item[1].startswith(before[item[0] :])]
            return completions(known, position, position)
        reply = await self.ask("complete_request", {"code": code, "cursor_pos": position})
        member = re.search(r"([\w$.]+)\.([\w$]*)$", code[:position])
        if member and not reply["matches"]:  # the stock kernel knows no members of a string
            names = await self.evaluate(MEMBERS.format(member[1]))
            names = names.get("data", {}).get("text/plain", "").split()
            reply["matches"] = [name for name in names if name.startswith(member[2])]
        braces = re.search(r"\bimport\s+(type\s+)?([\w$]+\s*,\s*)?\{[^}]*$", before)
        # Globals are the stock kernel's to tell.
        known = [item for item in known if braces or item[2] < "15"]
        word = re.search(r"[\w$]*$", before)
        start = position - len(word[0])
        names = [] if braces else reply["matches"]
        if names and reply["cursor_start"] != start:
            return reply
        known = [item for item in known if item[1].startswith(word[0])]
        known += [(start, name, "") for name in names]
        return completions(known, start, position)

    async def files(self, quote, text, position):
        """What a path that a cell begins may lead to."""
        folder, slash, start = re.sub(r"\\(.)", r"\1", text).rpartition("/")
        path = Path(await self.text_of("Deno.cwd()"), folder + slash)
        names = []
        with contextlib.suppress(OSError, ValueError):
            for entry in path.iterdir():
                if entry.name.startswith(start) and (start or not entry.name.startswith(".")):
                    name = re.sub(rf"[\\{quote}]", r"\\\g<0>", entry.name)
                    names.append(name + "/" * entry.is_dir())
        return [(position - len(start), name, "") for name in sorted(names)]

    async def inspect(self, code, position):
        rest = re.match(r"[\w$]*", code[position:])[0]
        name = re.search(r"[\w$.]*$", code[:position])[0] + rest
        places = [position, position - 1] if re.search(r"[\w$]$", code[:position]) else [position]
        call = call_around(code, position)
        places += [] if call is None else [call - 1]
        hover = asyncio.ensure_future(in_time(self.language.hover(code, places)))
        value = await self.evaluate(name) if name else {"status": "error"}
        data = value["data"] if value["status"] == "ok" else {}
        described = await hover
        if described:
            data = beside(described, data)
        return {"status": "ok", "found": bool(data), "data": data, "metadata": {}}

    async def evaluate(self, expression):
        """The value of an expression, as a user expression's is told."""
        self.value = {"text/plain": "undefined"}
        try:
            code = {"code": f"({expression}\n)", "silent": False, "store_history": False}
            reply = await self.ask("execute_request", code)
            await self.flush(FLUSH_SECONDS)
            if reply["status"] == "ok":
                return {"status": "ok", "data": self.value, "metadata": {}}
            if reply["evalue"] == "Execution failed":
                reply |= await syntax_error(expression) or NO_REASON
            return {key: reply[key] for key in ("status", "ename", "evalue", "traceback")}
        finally:
            self.value = None

    # Stop and the end

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):  # serve() is about to report the end
            self.process.send_signal(number)

    def stop(self):
        if not self.ready:
            return
        cell = self.cell
        if not (cell and cell.running):
            self.signal(signal.SIGINT)
        elif cell.unheard and cell.told == STOP_UNHEARD:
            self.end(cell)
        else:
            cell.stopped = True
            cell.unheard += 1
            self.signal(signal.SIGINT)
            self.answer_input(None)
            asyncio.get_running_loop().call_later(STOP_SECONDS, self.tell_of_stop, cell)

    def tell_of_stop(self, cell):
        if cell.unheard > 1:
            self.end(cell)
            return
        text = STOP_UNHEARD if cell.unheard else STOP_HEARD
        if cell.running and cell.told != text:
            cell.told = text
            self.print("stderr", text)

    def end(self, cell):
        """Ends the JavaScript that runs. Were the cell waiting, its answer would never come."""
        if not cell.running or cell.terminated:
            return
        cell.terminated = True
        self.tell_stock("control", "interrupt_request", {})
        # If the cell has awaited, the stock kernel answers when its promise is collected.
        self.signal(signal.SIGUSR1)
        asyncio.get_running_loop().call_later(END_CELL_SECONDS, self.give_up, cell)

    def give_up(self, cell):
        if cell.running:
            cell.given_up = True
            for reply in self.replies.values():
                if not reply.done():
                    reply.set_result({"status": "error"} | NOT_ENDED)
            self.replies.clear()

    def report_end(self, code):
        for read in self.native:
            read()
        how = (
            f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        )
        text = f"The Deno process {how}. All variables are lost: run the notebook from its start."
        if code == -signal.SIGKILL:
            text += " SIGKILL is how the system ends a process when memory runs out."
        print(f"deno kernel: {text}", file=sys.stderr)
        if self.cell and self.cell.running:
            error = {"ename": "DenoEnded", "evalue": text, "traceback": [text]}
            self.publish("error", error, self.cell.request)
            self.finish(self.cell, {"status": "error"} | error)


def without_colours(data):
    text = data.get("text/plain")
    return data | {"text/plain": re.sub(r"\x1b\[[\d;]*m", "", text)} if text else data


async def in_time(answer):
    """What the language service answers; None if it fails or takes too long."""
    with contextlib.suppress(Exception):
        return await asyncio.wait_for(answer, CHECK_SECONDS)


def completions(known, start, end):
    """A complete_reply of (start, text, …): what replaces most of the line comes alone."""
    start = min([item[0] for item in known], default=start)
    matches = list(dict.fromkeys(item[1] for item in known if item[0] == start))
    return {"status": "ok", "matches": matches, "cursor_start": start, "cursor_end": end,
            "metadata": {}}  # fmt: skip


def beside(described, data):
    """What the language service says, and below it the value."""
    value = data.get("text/plain", "")
    if re.match(r"\[(class|\w*Function)\b", value):
        value = ""
    shown = data.get("text/html") or (f"```\n{value}\n```" if value else "")
    plain = re.sub(r"^```\w*\n|^```$\n?", "", described, flags=re.MULTILINE)
    return {
        "text/plain": "\n\n".join(part for part in (value, plain.strip()) if part),
        "text/markdown": "\n\n".join(part for part in (described, shown) if part),
    }


def not_exported(module, missing):
    """The error of a cell that imports what is not there; None if there is none."""
    for code, line, column, message in module.errors:
        name = re.search(r"member (?:named )?'([\w$]+)'|'([\w$]+)' locally", message)
        for wanted, source in missing:
            if code in NOT_EXPORTED and name and wanted in name.groups():
                near = re.search(r"Did you mean '([\w$]+)'", message)
                evalue = f"'{source}' exports no '{wanted}' (line {line}, column {column})"
                evalue += f". Did you mean '{near[1]}'?" if near else ""
                return error_content("SyntaxError", evalue)
    return None


def unknown(kind):
    evalue = f"the Deno kernel does not know {kind!r}"
    return {"status": "error"} | error_content("UnknownRequest", evalue)


def no_debugger(request):
    """A response of the Debug Adapter Protocol."""
    return {
        "type": "response",
        "request_seq": request.get("seq"),
        "command": request.get("command"),
        "success": False,
        "message": "the Deno kernel has no debugger",
    }


async def parent_ended():
    """Returns when the Jupyter server is gone without having shut the kernel down."""
    parent = os.getppid()
    if os.environ.get("JPY_PARENT_PID") != str(parent):
        await asyncio.Event().wait()
    while os.getppid() == parent:
        await asyncio.sleep(1)


def end_group_after_me():
    """Kills every process of this group once this one is gone, even if that was by SIGKILL."""
    if os.getpgrp() != os.getpid():
        os.setpgrp()
    read_end, _ = os.pipe()  # the other end closes when this process ends
    script = "trap '' INT TERM HUP; read _; kill -9 0"
    subprocess.Popen(["sh", "-c", script], stdin=read_end)
    os.close(read_end)


async def main(connection_file):
    return await Relay(json.loads(Path(connection_file).read_text())).serve()


if __name__ == "__main__":
    end_group_after_me()
    sys.exit(asyncio.run(main(sys.argv[1])))
