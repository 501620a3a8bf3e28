"""The Jupyter kernel `deno`: a relay between a Jupyter client and the stock Deno kernel.

The stock kernel (`deno jupyter --kernel`, 2.9.8) ends a cell before its output is out, dies of
SIGINT, drops native output, and gives no message for a syntax error. The relay passes messages on
and mends these four. Protocol: https://jupyter-client.readthedocs.io/en/stable/messaging.html
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
from dataclasses import dataclass, field
from pathlib import Path

import zmq
import zmq.asyncio
from jupyter_client.connect import write_connection_file
from jupyter_client.session import Session

DENO = Path(sys.executable).with_name("deno")
PRELUDE = Path(__file__).with_name("prelude.js")
FLUSH_SECONDS = 5
STOP_SECONDS = 2.5
# A training that hears SIGTERM ends its step and writes a checkpoint.
END_SECONDS = 60
# Run All sends its cells one by one; those that come this soon after a failed one are aborted.
ABORT_SECONDS = 0.1

STOP_UNHEARD = (
    f"Stop: the cell has not yielded (await) for {STOP_SECONDS} s. It can stop when it does. Stop "
    "again ends it at once and keeps the variables; Restart always ends it, and loses them.\n"
)
STOP_HEARD = (
    f"Stop: the cell is still running after {STOP_SECONDS} s. It yields, but stops only if it "
    "listens for SIGINT (Deno.addSignalListener). Restart ends it, and loses the variables.\n"
)
INCOMPLETE = (
    f"The Deno process is busy and did not answer for {FLUSH_SECONDS} s after this cell: some "
    "output may be missing. Await what the cell started.\n"
)


@dataclass
class Cell:
    """An execute_request, the identity of the client it is from, and what became of it."""

    request: dict
    client: list
    running: bool = True
    stopped: bool = False
    stop_heard: bool = False
    asks_input: bool = False
    told: str = ""
    terminated: bool = False
    errors: list = field(default_factory=list)


class Relay:
    def __init__(self, connection):
        self.session = Session(key=connection["key"].encode())
        self.context = zmq.asyncio.Context()
        routers = dict.fromkeys(("shell", "control", "stdin"), zmq.ROUTER)
        self.client = self.sockets(connection, "bind", routers | {"iopub": zmq.PUB, "hb": zmq.REP})
        self.queue = asyncio.Queue()  # (client, message) from the shell
        self.clients = {}  # msg_id of a request passed on: client
        self.replies = {}  # msg_id of a request awaited here: Future
        self.flushed = asyncio.Event()
        self.cell = None  # the last one, running or not
        self.ready = self.closing = False
        self.native = []

    def sockets(self, connection, attach, kinds):
        sockets = {}
        for name, kind in kinds.items():
            socket = sockets[name] = self.context.socket(kind)
            socket.set_hwm(0)  # PUB drops messages above its high-water mark
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
        tasks = [
            asyncio.ensure_future(task)
            for task in (
                self.from_client_shell(), self.from_client_control(), self.from_client_stdin(),
                self.from_stock("shell"), self.from_stock("control"), self.from_stock_stdin(),
                self.from_stock_iopub(), self.heartbeat(), self.work(file), parent_ended(),
                terminated.wait(),
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

    async def receive(self, socket):
        while True:
            try:
                client, frames = self.session.feed_identities(await socket.recv_multipart())
                message = self.session.deserialize(frames)
            except (ValueError, TypeError) as error:  # not signed with our key, or malformed
                print(f"deno kernel: message dropped: {error}", file=sys.stderr)
                continue
            yield client, message, message["header"]["msg_type"]

    def send(self, socket, message, client=None):
        frames = self.session.serialize(message, client)
        return socket.send_multipart(frames + message.get("buffers", []))

    def publish(self, kind, content, request):
        self.send(self.client["iopub"], self.session.msg(kind, content, parent=request))

    def answer(self, cell, content):
        reply = self.session.msg("execute_reply", content, parent=cell.request)
        self.send(self.client["shell"], reply, cell.client)
        self.publish("status", {"execution_state": "idle"}, cell.request)

    def pass_on(self, client, message, channel="shell"):
        self.clients[message["header"]["msg_id"]] = client
        self.send(self.stock[channel], message)

    async def ask(self, request):
        reply = self.replies[request["header"]["msg_id"]] = asyncio.Future()
        self.send(self.stock["shell"], request)
        return (await reply)["content"]

    # What the client sends

    async def from_client_shell(self):
        async for client, message, _ in self.receive(self.client["shell"]):
            self.queue.put_nowait((client, message))

    async def from_client_control(self):
        async for client, message, kind in self.receive(self.client["control"]):
            if kind == "interrupt_request":
                self.stop()
                reply = self.session.msg("interrupt_reply", {"status": "ok"}, parent=message)
                self.send(self.client["control"], reply, client)
                continue
            self.closing |= kind == "shutdown_request"
            if self.closing and self.cell and self.cell.running:
                self.signal(signal.SIGTERM)  # unlike the stock kernel's own end, it can be heard
            else:
                self.pass_on(client, message, "control")

    async def from_client_stdin(self):
        async for _, message, _ in self.receive(self.client["stdin"]):
            self.answer_input(message)

    def answer_input(self, message):
        if self.cell and self.cell.asks_input:  # a late answer would meet the next question
            self.cell.asks_input = False
            self.send(self.stock["stdin"], message)

    async def heartbeat(self):
        while True:
            await self.client["hb"].send(await self.client["hb"].recv())

    # What the stock kernel sends

    async def from_stock(self, channel):
        async for _, message, _ in self.receive(self.stock[channel]):
            request = message["parent_header"].get("msg_id")
            if request in self.replies:
                self.replies.pop(request).set_result(message)
            elif request in self.clients:
                self.send(self.client[channel], message, self.clients.pop(request))

    async def from_stock_stdin(self):
        async for _, message, _ in self.receive(self.stock["stdin"]):
            self.cell.asks_input = True
            self.send(self.client["stdin"], message, self.cell.client)

    async def from_stock_iopub(self):
        async for _, message, kind in self.receive(self.stock["iopub"]):
            parent = message["parent_header"]
            if kind == "relay_flushed":
                self.flushed.set()
            elif self.cell is None and parent.get("msg_type") == "execute_request":
                continue
            elif kind == "relay_stop_heard":
                self.cell.stop_heard = True
            elif kind == "status":
                # An execute_request's own are sent by execute(), when all is out.
                if parent.get("msg_type") != "execute_request":
                    self.send(self.client["iopub"], message)
            elif kind == "execute_input":
                if parent["msg_id"] == self.cell.request["header"]["msg_id"]:
                    self.send(self.client["iopub"], message)
            else:
                message["parent_header"] = self.cell.request["header"]
                if kind == "error" and self.cell.running:
                    self.cell.errors.append(message)  # it overtakes what was printed before
                else:
                    self.send(self.client["iopub"], message)

    def print(self, name, text):
        """Shows text under the last cell, or in Jupyter's log before there is one."""
        if self.cell:
            self.publish("stream", {"name": name, "text": text}, self.cell.request)
        else:
            sys.stderr.write(text)

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
        reply = await self.ask(self.session.msg("execute_request", content))
        if reply["status"] != "ok":
            raise RuntimeError(f"{PRELUDE} must run in the stock kernel, which says: {reply}")
        os.unlink(connection_file)
        while not await self.flush(0.05):  # until the stock kernel has seen our subscription
            pass
        self.ready = True
        while True:
            client, message = await self.queue.get()
            if message["header"]["msg_type"] == "execute_request":
                await self.execute(Cell(message, client))
            else:
                self.pass_on(client, message)

    async def flush(self, seconds):
        """Waits until all that the stock kernel has to send is here. False if it does not answer.

        Prints, displays and the prelude's answer leave it through one queue, in order. To ask by an
        execute_request would be unsafe: its status messages do not queue, and break into a large
        display that is still being written.
        """
        self.flushed.clear()
        self.signal(signal.SIGUSR2)
        try:
            await asyncio.wait_for(self.flushed.wait(), seconds)
        except asyncio.TimeoutError:  # noqa: UP041 (in Python 3.10 a class of its own)
            return False
        for read in self.native:
            read()
        return True

    async def execute(self, cell):
        self.cell = cell
        self.publish("status", {"execution_state": "busy"}, cell.request)
        content = await self.ask(cell.request)
        if not await self.flush(FLUSH_SECONDS):
            self.print("stderr", INCOMPLETE)
        cell.running = False
        if content.get("evalue") == "Execution failed":
            content |= (
                TERMINATED if cell.terminated else syntax_error(cell.request["content"]["code"])
            )
            error = {key: content[key] for key in ("ename", "evalue", "traceback")}
            self.publish("error", error, cell.request)
        for error in cell.errors:
            self.send(self.client["iopub"], error)
        abort = cell.stopped or (
            content["status"] == "error" and cell.request["content"].get("stop_on_error", True)
        )
        queued = []
        if abort:
            await asyncio.sleep(ABORT_SECONDS)
            queued = [self.queue.get_nowait() for _ in range(self.queue.qsize())]
        self.answer(cell, content)
        for client, message in queued:
            if message["header"]["msg_type"] == "execute_request":
                self.publish("status", {"execution_state": "busy"}, message)
                self.answer(Cell(message, client), {"status": "aborted"})
            else:
                self.pass_on(client, message)

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):  # serve() is about to report the end
            self.process.send_signal(number)

    def stop(self):
        if not self.ready:
            return
        cell = self.cell
        if not (cell and cell.running):
            self.signal(signal.SIGINT)
        elif cell.told == STOP_UNHEARD and not cell.stop_heard:
            # Ends the JavaScript that runs. Were the cell waiting, its answer would never come.
            cell.terminated = True
            self.send(self.stock["control"], self.session.msg("interrupt_request", {}))
        else:
            cell.stopped, cell.stop_heard = True, False
            self.signal(signal.SIGINT)
            self.answer_input(self.session.msg("input_reply", {"value": None}))
            asyncio.get_running_loop().call_later(STOP_SECONDS, self.tell_of_stop, cell)

    def tell_of_stop(self, cell):
        text = STOP_HEARD if cell.stop_heard else STOP_UNHEARD
        if cell.running and cell.told != text:
            cell.told = text
            self.print("stderr", text)

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
            self.answer(self.cell, {"status": "error"} | error)


TERMINATED = {
    "ename": "Stopped",
    "evalue": "the cell was ended where it stood",
    "traceback": ["Stopped: the cell was ended where it stood; all variables are kept"],
}


def syntax_error(code):
    """The error that the stock kernel keeps to itself, as the formatter tells it."""
    command = [DENO, "fmt", "--no-config", "--ext", "ts", "-"]
    environment = os.environ | {"NO_COLOR": "1"}
    told = subprocess.run(
        command, input=code, capture_output=True, check=False, text=True, env=environment
    ).stderr
    parts = re.search(r"SyntaxError: (.+?)\n(.+?)\n +at \S+:(\d+):(\d+)", told, re.DOTALL)
    if parts is None:
        evalue = "the stock Deno kernel did not run the cell and gives no reason"
        return {"ename": "Error", "evalue": evalue, "traceback": [f"Error: {evalue}"]}
    message, excerpt, line, column = parts.groups()
    evalue = f"{message} (line {line}, column {column})"
    traceback = [f"SyntaxError: {evalue}", *excerpt.split("\n")]
    return {"ename": "SyntaxError", "evalue": evalue, "traceback": traceback}


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
