"""Plays one scene (a function here) with the kernel `deno`, as a client; prints JSON of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import zmq
from fuzz import frames
from jupyter_client.manager import start_new_kernel

SECONDS = 60


def outputs_until_idle(client, request):
    outputs = []
    while True:
        message = client.get_iopub_msg(timeout=SECONDS)
        content, kind = message["content"], message["header"]["msg_type"]
        if message["parent_header"].get("msg_id") != request:
            outputs.append(["stray", kind])
        elif kind == "status" and content["execution_state"] == "idle":
            return outputs
        elif kind == "stream":
            outputs.append([content["name"], content["text"]])
        elif kind == "error":
            outputs.append(["error", content["ename"], content["evalue"], *content["traceback"]])
        elif kind == "clear_output":
            outputs.append([kind])
        elif kind in ("display_data", "execute_result"):
            outputs.append([kind, *content["data"].values()])


def reply_to(client, request, channel="shell"):
    while True:
        message = getattr(client, f"get_{channel}_msg")(timeout=SECONDS)
        if message["parent_header"].get("msg_id") == request:
            return message["content"]


def run_all(client, codes, meanwhile=lambda: None, **options):
    requests = [client.execute(code, **options) for code in codes]
    meanwhile()
    outputs = [outputs_until_idle(client, request) for request in requests]
    replies = [reply_to(client, request) for request in requests]
    return [{"outputs": out, "reply": reply} for out, reply in zip(outputs, replies, strict=True)]


def run(client, code, meanwhile=lambda: None, **options):
    return run_all(client, [code], meanwhile, **options)[0]


def group(manager):
    """The processes of the kernel's group that are alive, as `ps` shows them."""
    ps = ["ps", "-eo", "pgid=,stat=,args="]
    rows = subprocess.run(ps, capture_output=True, text=True, check=True).stdout.splitlines()
    mine = [row.split(maxsplit=2) for row in rows]
    return [row[2] for row in mine if row[0] == str(manager.provisioner.pgid) and row[1][0] != "Z"]


def processes(manager):
    """(pid, command) of the kernel's group."""
    ps = ["ps", "-eo", "pgid=,pid=,args="]
    rows = subprocess.run(ps, capture_output=True, text=True, check=True).stdout.splitlines()
    mine = [row.split(maxsplit=2) for row in rows]
    return [row[1:] for row in mine if row[0] == str(manager.provisioner.pgid)]


def group_after(manager, seconds=5):
    end = time.monotonic() + seconds
    while group(manager) and time.monotonic() < end:
        time.sleep(0.1)
    return group(manager)


def outputs(manager, client):
    encode = "new TextEncoder().encode"
    return {
        "native": run(
            client,
            f'console.log("a"); Deno.stdout.writeSync({encode}("b\\n")); console.log("c");'
            f'Deno.openSync("/dev/stdout", {{ write: true }}).writeSync({encode}("fd 1\\n"));'
            f'Deno.openSync("/dev/stderr", {{ write: true }}).writeSync({encode}("fd 2\\n"));',
        ),
        "afterNative": run(client, 'console.log("d")'),
        "syntax": run(client, "const fine = 1;\nlet broken = ;"),
        "thrown": run(client, 'console.log("before"); throw new RangeError("boom")'),
        "rejection": run(client, 'Promise.reject(new Error("lost"));'),
        "afterRejection": run(client, "await new Promise((done) => setTimeout(done, 5)); 1"),
        "notAwaited": run(client, 'Deno.jupyter.display({ "text/plain": "D" }, { raw: true }); 0'),
        "silent": run(client, "1", silent=True),
        "counted": run(client, "1"),
    }


def requests(manager, client):
    run(client, "const completeMe = 41;")
    ask = {
        "complete": client.complete("completeM", 9),
        "inspect": client.inspect("completeMe", 10),
        "is_complete": client.is_complete("if (true) {"),
        "history": client.history(),
        "comm_info": client.comm_info(),
        "kernel_info": client.kernel_info(),
    }
    answers = {name: reply_to(client, request) for name, request in ask.items()}

    message = client.session.msg("kernel_info_request")
    client.control_channel.send(message)
    answers["kernel_info_on_control"] = reply_to(client, message["header"]["msg_id"], "control")

    message = client.session.msg("comm_open", {"comm_id": "c1", "target_name": "t", "data": {}})
    client.shell_channel.send(message)
    answers["comm_open"] = reply_to(client, message["header"]["msg_id"])
    request = client.execute(
        'Deno.jupyter.broadcast("comm_msg", { comm_id: "c1", data: { n: 7 } },'
        " { buffers: [new Uint8Array([1, 2, 3])] })"
    )
    while (message := client.get_iopub_msg(timeout=SECONDS))["header"]["msg_type"] != "comm_msg":
        pass
    answers["comm_msg"] = message["content"] | {"bytes": list(message["buffers"][0])}
    outputs_until_idle(client, request)

    def answer():
        answers["prompt"] = client.get_stdin_msg(timeout=SECONDS)["content"]["prompt"]
        client.input("Ada")

    answers["input"] = run(client, '"hello " + prompt("name?")', answer, allow_stdin=True)

    forged = client.session.clone()
    forged.key = b"not the key"
    message = forged.msg("execute_request", {"code": "globalThis.forged = true", "silent": False})
    forged.send(client.shell_channel.socket, message)
    answers["forged"] = run(client, "typeof forged")
    return answers


def stop(manager, client):
    def press(times=1):
        time.sleep(0.5)
        for count in range(times):
            manager.interrupt_kernel()
            time.sleep(3 if count < times - 1 else 0)

    run(client, "const kept = 41;")
    manager.interrupt_kernel()
    answers = {"idle": run(client, "kept + 1")}
    loop = """
        let stopped = false;
        const onStop = () => stopped = true;
        Deno.addSignalListener("SIGINT", onStop);
        while (!stopped) await new Promise((done) => setTimeout(done, 10));
        Deno.removeSignalListener("SIGINT", onStop);
        console.log("stopped");"""
    answers["cooperative"] = run_all(client, [loop, 'console.log("must not run")', "1"], press)
    answers["endless"] = run(client, "while (true) {}", lambda: press(2))
    answers["awaited"] = run(client, "await 0; for (;;) {}", lambda: press(2))
    timer = "await new Promise((done) => setTimeout(done, 10)); for (;;) {}"

    def press_twice():
        press()
        manager.interrupt_kernel()

    answers["atOnce"] = run(client, timer, press_twice)
    answers["deaf"] = run(client, "await new Promise((d) => setTimeout(d, 3500)); 5", press)
    ask = """console.log(prompt("name?"))"""
    answers["asking"] = run(client, ask, press, allow_stdin=True)
    answers["kept"] = run(client, "kept + 2")
    answers["afterError"] = run_all(client, ['throw new Error("first")', "2", "3"])
    answers["notStopOnError"] = run_all(
        client, ['throw new Error("first")', "2"], stop_on_error=False
    )
    return answers


def held(manager, client):
    """Stops a cell whose promise cannot be collected."""

    def press_twice():
        time.sleep(0.5)
        manager.interrupt_kernel()
        manager.interrupt_kernel()

    code = "const loop = (async () => { await 0; for (;;) {} })(); await loop"
    answers = {"held": run(client, code, press_twice)}
    manager.restart_kernel()
    client.wait_for_ready(timeout=SECONDS)
    return answers | {"restarted": run(client, "1")}


def restart(manager, client):
    run(client, "const gone = 1;")
    before = group(manager)
    manager.restart_kernel()
    client.wait_for_ready(timeout=SECONDS)
    return {"before": before, "typeofGone": run(client, "typeof gone"), "after": group(manager)}


START_CHILD = 'new Deno.Command("sleep", { args: ["300"], stdin: "null" }).spawn(); 0'


def shutdown(manager, client):
    run(client, START_CHILD)
    before = group(manager)
    manager.shutdown_kernel()
    return {"before": before, "after": group_after(manager)}


def shutdown_while_busy(manager, client):
    run(client, START_CHILD)
    before = group(manager)
    client.execute("while (true) {}")
    time.sleep(0.5)
    manager.shutdown_kernel()
    return {"before": before, "after": group_after(manager)}


def relay_killed(manager, client):
    run(client, START_CHILD)
    before = group(manager)
    os.kill(manager.provisioner.pid, signal.SIGKILL)
    return {"before": before, "after": group_after(manager)}


def deno_ended(manager, client):
    answer = run(client, "Deno.exit(7)")
    while manager.is_alive():
        time.sleep(0.1)
    return answer | {"code": manager.provisioner.process.returncode, "after": group_after(manager)}


def chatter(manager, client):
    """Counts the messages in which many lines arrive."""
    turns = 'for (let i = 0; i < 2000; i++) { console.log("out", i); console.error("err", i); }'
    order = """
        console.log("a"); console.error("b"); console.log("c");
        Deno.jupyter.broadcast("display_data", { data: { "text/plain": "D" }, metadata: {} });
        console.log("e"); Deno.jupyter.broadcast("clear_output", { wait: true });
        console.log("f"); throw new Error("last")"""
    return {
        "lines": run(client, 'for (let i = 0; i < 20000; i++) console.log("line", i);'),
        "turns": run(client, turns),
        "order": run(client, order),
        "html": run(client, "Deno.jupyter.html`<b>a</b>`"),
        "odd": run(client, 'Deno.jupyter.broadcast("stream", { name: [], text: 5 }); 0'),
        "slow": run(client, "console.log(1); await new Promise((d) => setTimeout(d, 500)); 2"),
    }


def unread(manager, client):
    """Counts what is kept for a subscriber that does not read, and for one that does."""
    connection = manager.get_connection_info()
    subscriber = zmq.Context.instance().socket(zmq.SUB)
    subscriber.set_hwm(1)
    subscriber.rcvbuf = 4096
    subscriber.linger = 0
    subscriber.connect(f"tcp://{connection['ip']}:{connection['iopub_port']}")
    subscriber.subscribe(b"")
    time.sleep(1)
    kilobyte = '"x".repeat(1000)'
    display = f"Deno.jupyter.display({{ 'text/plain': {kilobyte} }}, {{ raw: true }})"
    pause = "await new Promise((done) => setTimeout(done, 300))"
    loop = f"for (let i = 0; i < 16000; i++) {{ {display}; if (i % 1000 === 0) {pause}; }} 0"
    read = run(client, loop)["outputs"]
    kept = 0
    while subscriber.poll(1000):
        subscriber.recv_multipart()
        kept += 1
    return {"read": len(read), "kept": kept}


def errors(manager, client):
    client.session.pack = lambda part: json.dumps(part, default=str).encode()
    run(
        client,
        "type T = 1;\ninterface I { a: T }\n"
        "function thrower(i: I): never { throw Error(`${i}`); }",
    )
    places = {
        "1:7": 'throw new Error("first line")',
        "3:9": '\n\n  throw new Error("blank lines")',
        "1:28": 'const x: number = 1; throw new Error("types")',
        "2:34": 'import { join } from "node:path"; import type { Stats } from "node:fs";\n'
        "const n = (s?: Stats): string => nowhere; n();",
        "4:10": "enum E { A }\nclass K { constructor(private a: number) {} }\n\n"
        "await 0; nowhere;",
        "3:6": "const big = {\n  a: 1,\n  b: nowhere,\n};",
    }
    return {
        "places": [(place, run(client, code)) for place, code in places.items()],
        "earlier": run(client, "thrower(1 as any as I)"),
        "cause": run(
            client, 'throw new Error("top", { cause: new RangeError("below", { cause: "root" }) })'
        ),
        "object": run(client, 'throw { plain: "object" }'),
        "bare": run(client, "throw Object.create(null)"),
        "text": run(client, 'throw "text"'),
        "value": run(client, '"\\ud800"'),
        "printed": run(client, 'console.log("\\ud800!")'),
        "sent": run(client, "console.log('\ud800!')"),
        "after": run(client, "1"),
    }


def answers(manager, client):
    """Requests that jupyter_kernel_test does not make."""

    def ask(kind, content, channel="shell"):
        message = client.session.msg(kind, content)
        getattr(client, f"{channel}_channel").send(message)
        return reply_to(client, message["header"]["msg_id"], channel)

    run(client, "const six = 6;")
    expressions = {"value": "six * 7", "none": "undefined", "wrong": "missing", "syntax": "1 +"}
    return {
        "expressions": run(client, "1", user_expressions=expressions),
        "silent": run(client, 'console.log("x"); Deno.jupyter.md`x`', silent=True),
        "silent_error": run(client, "throw new Error()", silent=True),
        "member": ask("complete_request", {"code": "six.toFi", "cursor_pos": 8}),
        "inspect": ask("inspect_request", {"code": "1 + six", "cursor_pos": 6}),
        "inspect_nothing": ask("inspect_request", {"code": "1 + ", "cursor_pos": 4}),
        "unknown": ask("odd_request", {}),
        "unknown_control": ask("odd_request", {}, "control"),
        "malformed": ask("complete_request", {}),
        "debug": ask(
            "debug_request", {"seq": 3, "type": "request", "command": "initialize"}, "control"
        ),
    }


def help_ready(client):
    """Waits for the language service, which starts in the background."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        request = client.inspect("Deno.cwd", 8)
        outputs_until_idle(client, request)
        if "text/markdown" in reply_to(client, request)["data"]:
            return
        time.sleep(0.2)
    raise TimeoutError(f"no help within {SECONDS} s")


def help(manager, client):
    """Asks for help and completions where a bar stands."""

    def at(ask, marked):
        position = marked.index("|")
        return reply_to(client, ask(marked.replace("|", "", 1), position))

    help_ready(client)
    folder = tempfile.mkdtemp()
    for name in ("réponses 😀.csv", "two words.csv", ".hidden", 'q"uote.csv'):
        Path(folder, name).touch()
    Path(folder, "data").mkdir()
    run(client, f"Deno.chdir({json.dumps(folder)})")
    library = '"lightweight-finetuning"'
    run(client, f"import {{ addLora, loadDataset, Trainer }} from {library}; let model: any;")
    run(client, 'const kept = { a: [1], "é": 2 }; const frame = Deno.jupyter.html`<b>5</b>`;')
    inspected = {
        "library": "loadData|set('x')",
        "inBrackets": "loadDataset('x', |)",
        "option": "loadDataset('x', { see|d: 1 })",
        "deno": "Deno.readText|File",
        "variable": '"😀"; kept|',
        "html": "frame|",
        "draft": "const later = new Map([[1, true]]);\nlat|er",
        "nothing": "1 + |",
    }
    completed = {
        "names": f"import {{ loadD| }} from {library}",
        "module": 'import { x } from "lightweight-finetuning/h|"',
        "learn": "new Trainer(model, { learn|",
        "r": '"é😀"; addLora(model, { r|',
        "choices": 'new Trainer(model, { lrSchedulerType: "co|" })',
        "files": 'loadDataset("|")',
        "space": 'loadDataset("two w|',
        "astral": '"😀"; loadDataset("rép|',
        "folder": 'loadDataset("da|ta")',
        "runTime": "ke|",
        "own": "const longName = 1; longN|",
    }
    answers = {
        "inspected": {name: at(client.inspect, code) for name, code in inspected.items()},
        "completed": {name: at(client.complete, code) for name, code in completed.items()},
    }
    shutil.rmtree(folder)
    return answers


def checks(manager, client):
    """Runs cells with type errors, and cells with none that might be taken for one."""
    help_ready(client)
    library = '"lightweight-finetuning"'
    wrong = {
        "assigned": 'console.log("runs");\nconst wrong: number = "x";',
        "option": f'import {{ Trainer }} from {library};\nconst train = () => '
        "new Trainer(null as any, { learningRat: 1 });",
        "unknown": "const longNames = 1;\nlongName",
        "many": "const n = 1; n.a; n.b; n.c; n.d; n.e;",
        "column": 'const m = 1; "é😀"; m.a;',
    }
    missing = {
        "name": f'console.log("ran");\nimport {{ loadDatset }} from {library};',
        "noneNear": 'console.log("ran"); import { zork } from "node:path";',
    }
    right = [
        "const a = 1; const gone = 2; function f() { return 1; } class K { a = 1; }",
        'const a = "x"; function f(x: string) { return x; } class K { b = 1; } new K().b',
        "a.toUpperCase() + f(a)",
        "const a = [1]; a[0]!.toFixed()",
        "const a = a.map(String); a.join()",
        f"import {{ Trainer, type TrainerOptions, TrainResult }} from {library};\n"
        "const result: TrainResult | undefined = undefined;",
        f"import {{ Trainer }} from {library}; const made = (o: TrainerOptions) => o;",
        'import * as all from "node:path"; import fs, { readFileSync } from "node:fs";',
        'import pl from "nodejs-polars"; pl.DataFrame({ a: [1] }).height; all.join("a");',
        'const { basename } = await import("node:path"); basename("a/b")',
        "let best: { x: number } | undefined; let state: 'a' | 'b' = 'a';",
        "let found = null; let any;",
        "best = { x: 1 }; state = 'b'; found = 5; any = [];",
        "best.x + found; any.push(1); if (state === 'b') best = undefined; state",
        "globalThis.hidden = 5; hidden + 1",
        "hidden",
        "function loose(x) { const unused = 1; return x; }",
        "for (const a of [1]) a.toFixed();",
        "a.join(); { const a = 1; a.toFixed(); }",
        "{ a: 1, b: 2 }",
        "await Promise.resolve(1)",
        "Deno.jupyter.md`x`",
        "const s = `\nimport { nothing } from 'node:path';\n`; s.length",
        "type Pair<T> = [T, T]; interface Box { pair: Pair<number> } enum E { A }",
        "const box: Box = { pair: [1, 2] }; const e: E = E.A; e",
    ]
    answers = {
        "wrong": {name: run(client, code) for name, code in wrong.items()},
        "missing": {name: run(client, code) for name, code in missing.items()},
        "silent": run(client, "const quiet = 'x';", silent=True),
        "right": [(code, run(client, code)) for code in ["quiet.length", *right, *right]],
    }
    [service] = [row for row in processes(manager) if row[1].endswith("lsp")]
    os.kill(int(service[0]), signal.SIGKILL)
    return answers | {
        "without": run_all(client, ['const q: number = "x"; 1', *wrong.values()])[0],
        "found": reply_to(client, client.inspect("Math.abs", 8))["found"],
    }


def fuzz(manager, client):
    """Sends 10,000 mutated messages to the five ports and runs a cell then."""
    run(client, "const kept = 41;")
    connection = manager.get_connection_info()
    kinds = {"shell": zmq.DEALER, "control": zmq.DEALER, "stdin": zmq.DEALER, "hb": zmq.DEALER,
             "iopub": zmq.XSUB}  # fmt: skip
    sockets = []
    for name, kind in kinds.items():
        socket = zmq.Context.instance().socket(kind)
        socket.linger = 0
        socket.connect(f"tcp://{connection['ip']}:{connection[f'{name}_port']}")
        sockets.append(socket)
    for number, message in enumerate(frames(client.session, 10_000, seed=12)):
        socket = sockets[0 if number % 2 else number // 2 % len(sockets)]
        socket.send_multipart(message or [b""])
        while socket.poll(0):
            socket.recv_multipart()
    request = client.kernel_info()
    while client.get_shell_msg(timeout=120)["parent_header"].get("msg_id") != request:
        pass
    client.hb_channel.unpause()
    for _ in range(10):  # what is still on its way may stop or abort a cell
        answer = run(client, "kept + 1")
        if answer["reply"]["status"] == "ok":
            break
    answer["outputs"] = [output for output in answer["outputs"] if output[0] != "stray"]
    return answer | {"beats": client.hb_channel.is_beating()}


def main():
    ask = globals()[sys.argv[1]]
    manager, client = start_new_kernel(kernel_name="deno", startup_timeout=60)
    try:
        json.dump(ask(manager, client), sys.stdout)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main()
