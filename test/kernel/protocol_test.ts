import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { root } from "../helpers/notebook.ts";

/** What a cell put out, as [kind, text, …], and the kernel's reply to it. */
interface Run {
  outputs: [kind: string, ...texts: string[]][];
  reply: { status: string; execution_count?: number };
}

async function play<Answers>(scene: string): Promise<Answers & { log: string }> {
  const { code, stdout, stderr } = await new Deno.Command(`${root}.venv/bin/python`, {
    args: [`${root}test/kernel/protocol.py`, scene],
  }).output();
  const log = new TextDecoder().decode(stderr);
  assert.equal(code, 0, log);
  const answers = new TextDecoder().decode(stdout).replaceAll(/\\u001b\[[0-9;]*m/g, "");
  return { log, ...JSON.parse(stripVTControlCharacters(answers)) };
}

const result = (text: string) => [["execute_result", text]];

Deno.test("native output, errors and rejections show under their cell", async () => {
  const scene = await play<
    & Record<"native" | "afterNative" | "syntax" | "thrown" | "rejection", Run>
    & Record<"afterRejection" | "notAwaited" | "silent" | "counted", Run>
  >("outputs");

  const native = scene.native.outputs;
  assert.match(native.join("\n"), /^stdout,(.*\n)*fd 1\n/m);
  assert.match(native.join("\n"), /^stderr,fd 2\n/m);
  const written = native.filter(([kind]) => kind === "stdout").map(([, text]) => text).join("");
  assert.equal(written.replace("fd 1\n", ""), "a\nb\nc\n");
  assert.deepEqual(native.at(-1), ["execute_result", "5"]);
  assert.deepEqual(scene.afterNative.outputs, [["stdout", "d\n"]]);

  const [syntax] = scene.syntax.outputs;
  assert.deepEqual(syntax?.slice(0, 3), [
    "error",
    "SyntaxError",
    "Expression expected (line 2, column 14)",
  ]);
  assert.match(syntax!.at(-2)!, /let broken = ;/);
  assert.equal(scene.syntax.reply.status, "error");

  const [before, thrown] = scene.thrown.outputs;
  assert.deepEqual(before, ["stdout", "before\n"]);
  assert.deepEqual(thrown?.slice(0, 3), ["error", "RangeError", "boom"]);

  const rejection = scene.rejection.outputs.find(([kind]) => kind === "stderr");
  assert.match(rejection!.join(), /Unhandled rejection: Error: lost/);
  assert.deepEqual(scene.afterRejection.outputs, result("1"));
  assert.deepEqual(scene.notAwaited.outputs, [["display_data", "D"], ...result("0")]);
  assert.equal(scene.silent.reply.execution_count, 7);
  assert.equal(scene.counted.reply.execution_count, 8);
});

Deno.test("requests, comms and input pass through, and a forged message does not", async () => {
  const scene = await play<{
    complete: { matches: string[] };
    inspect: { status: string };
    is_complete: { status: string };
    history: { status: string };
    comm_info: { comms: unknown };
    kernel_info: { implementation: string; language_info: { name: string } };
    kernel_info_on_control: { implementation: string };
    comm_open: { comm_id: string };
    comm_msg: { comm_id: string; data: unknown; bytes: number[] };
    prompt: string;
    input: Run;
    forged: Run;
  }>("requests");
  assert.deepEqual(scene.complete.matches, ["completeMe"]);
  assert.equal(scene.inspect.status, "ok");
  assert.equal(scene.is_complete.status, "incomplete");
  assert.equal(scene.history.status, "ok");
  assert.deepEqual(scene.comm_info.comms, {});
  assert.equal(scene.kernel_info.language_info.name, "typescript");
  assert.equal(scene.kernel_info_on_control.implementation, "Deno kernel");
  assert.equal(scene.comm_open.comm_id, "c1");
  assert.deepEqual(scene.comm_msg, { comm_id: "c1", data: { n: 7 }, bytes: [1, 2, 3] });
  assert.equal(scene.prompt, "name?");
  assert.deepEqual(scene.input.outputs, result('"hello Ada"'));
  assert.deepEqual(scene.forged.outputs, result('"undefined"'));
});

Deno.test("Stop ends what listens, aborts what is queued, and keeps the variables", async () => {
  const scene = await play<
    & Record<"idle" | "endless" | "awaited" | "atOnce" | "deaf" | "asking" | "kept", Run>
    & Record<"cooperative" | "afterError" | "notStopOnError", Run[]>
  >("stop");
  const statuses = (runs: Run[]) => runs.map((run) => run.reply.status);

  assert.deepEqual(scene.idle.outputs, result("42"));
  assert.deepEqual(statuses(scene.cooperative), ["ok", "aborted", "aborted"]);
  assert.deepEqual(scene.cooperative.map((run) => run.outputs), [
    [["stdout", "stopped\n"]],
    [],
    [],
  ]);
  assert.deepEqual(scene.endless.outputs.map(([kind]) => kind), ["stderr", "error"]);
  assert.match(
    scene.endless.outputs[0]!.join(),
    /has been busy.*Press Stop again.*variables are kept.*Restart/,
  );
  assert.deepEqual(scene.awaited.outputs.map(([kind]) => kind), ["stderr", "error"]);
  assert.match(scene.awaited.outputs[1]!.join(), /ended where it stood; all variables are kept/);
  assert.equal(scene.awaited.reply.status, "error");
  assert.deepEqual(scene.atOnce.outputs.map(([kind]) => kind), ["error"]);
  assert.match(scene.deaf.outputs[0]!.join(), /goes on after.*cannot be stopped.*Restart.*SIGINT/);
  assert.deepEqual(scene.deaf.outputs.slice(1), result("5"));
  assert.deepEqual(scene.asking.outputs, [["stdout", "null\n"]]);
  assert.deepEqual(statuses(scene.afterError), ["error", "aborted", "aborted"]);
  assert.deepEqual(statuses(scene.notStopOnError), ["error", "ok"]);
  assert.deepEqual(scene.kept.outputs, result("43"));
});

Deno.test("a cell that Stop cannot end is answered, and Restart helps", async () => {
  const { held, restarted } = await play<Record<"held" | "restarted", Run>>("held");
  assert.deepEqual(held.outputs.map(([kind, name]) => [kind, name]), [["error", "Stopped"]]);
  assert.match(held.outputs[0]!.join(), /If the next cell does not start, only Restart helps/);
  assert.equal(held.reply.status, "error");
  assert.deepEqual(restarted.outputs, result("1"));
});

Deno.test("Restart starts one fresh kernel", async () => {
  const scene = await play<{ before: string[]; after: string[]; typeofGone: Run }>("restart");
  assert.deepEqual(scene.typeofGone.outputs, result('"undefined"'));
  assert.equal(scene.after.length, scene.before.length);
});

for (const scene of ["shutdown", "shutdown_while_busy", "relay_killed"]) {
  Deno.test(`no process is left after ${scene}`, async () => {
    const { before, after } = await play<{ before: string[]; after: string[] }>(scene);
    const programs = before.join("\n");
    for (const program of ["relay.py", "deno jupyter", "sleep 300"]) {
      assert.ok(programs.includes(program), `${program} should have run: ${programs}`);
    }
    assert.deepEqual(after, []);
  });
}

Deno.test("the end of the Deno process is told in the cell and in the log", async () => {
  const scene = await play<Run & { code: number; after: string[] }>("deno_ended");
  assert.match(scene.outputs[0]!.join(), /^error,DenoEnded,The Deno process ended with code 7/);
  assert.equal(scene.reply.status, "error");
  assert.match(scene.log, /deno kernel: The Deno process ended with code 7/);
  assert.equal(scene.code, 1);
  assert.deepEqual(scene.after, []);
});

Deno.test("printed lines arrive in few messages, before what follows them", async () => {
  const scene = await play<Record<"lines" | "turns" | "order" | "html" | "odd" | "slow", Run>>(
    "chatter",
  );
  const numbered = (word: string, count: number) =>
    Array.from({ length: count }, (_, i) => `${word} ${i}\n`).join("");
  const written = (run: Run, name: string) =>
    run.outputs.filter(([kind]) => kind === name).map(([, text]) => text).join("");

  assert.equal(written(scene.lines, "stdout"), numbered("line", 20_000));
  assert.ok(scene.lines.outputs.length < 400, `${scene.lines.outputs.length} messages`);
  assert.equal(written(scene.turns, "stdout"), numbered("out", 2000));
  assert.equal(written(scene.turns, "stderr"), numbered("err", 2000));
  assert.ok(scene.turns.outputs.length < 400, `${scene.turns.outputs.length} messages`);
  assert.deepEqual(scene.order.outputs.slice(0, 7), [
    ["stdout", "a\n"],
    ["stderr", "b\n"],
    ["stdout", "c\n"],
    ["display_data", "D"],
    ["stdout", "e\n"],
    ["clear_output"],
    ["stdout", "f\n"],
  ]);
  assert.equal(scene.order.outputs[7]![0], "error");
  assert.deepEqual(scene.html.outputs, result("<b>a</b>"));
  assert.deepEqual(scene.odd.outputs, [["[]", "5"], ...result("0")]);
  assert.deepEqual(scene.slow.outputs, [["stdout", "1\n"], ...result("2")]);
});

Deno.test("a client that does not read costs no more than 10,000 messages", async () => {
  const { read, kept } = await play<{ read: number; kept: number }>("unread");
  assert.equal(read, 16_001);
  // Beside the relay's there are the buffers of the connection.
  assert.ok(kept < 14_000, `${kept} messages were kept`);
});

Deno.test("an error shows its causes, and whatever is thrown is told", async () => {
  const scene = await play<
    & Record<"cause" | "object" | "bare" | "text" | "value" | "printed" | "sent" | "after", Run>
    & { places: [string, Run][]; earlier: Run }
  >("errors");
  const shown = (run: Run) => run.outputs[0]!.join("\n");
  for (const [place, run] of scene.places) {
    assert.match(shown(run), new RegExp(`at .*<anonymous>:${place}\\b`), shown(run));
  }
  assert.match(shown(scene.earlier), /at thrower \(cell \[1\]:3:39\)\n +at <anonymous>:1:1/);
  assert.match(
    shown(scene.cause),
    /^error\nError\ntop\nError: top\n.+\n.+RangeError: below[^]+"root"/,
  );
  assert.equal(shown(scene.object).split("\n").at(-1), 'Uncaught { plain: "object" }');
  assert.equal(shown(scene.text).split("\n").at(-1), "Uncaught text");
  assert.match(shown(scene.bare), /^error\nError\n/);
  assert.match(shown(scene.value), /^error\nUnpairedSurrogate\n.*toWellFormed/);
  assert.deepEqual(scene.printed.outputs, [["stdout", "\ufffd!\n"]]);
  assert.deepEqual(scene.sent.outputs, [["stdout", "\ufffd!\n"]]);
  assert.deepEqual(scene.after.outputs, result("1"));
});

Deno.test("every request has an answer, and a silent cell shows nothing", async () => {
  const error = (ename: string, evalue: string) => ({ status: "error", ename, evalue });
  const scene = await play<
    & { expressions: Run & { reply: { user_expressions: Record<string, unknown> } } }
    & Record<"silent" | "silent_error", Run>
    & { member: { matches: string[] } }
    & Record<"inspect" | "inspect_nothing", { found: boolean; data: Record<string, string> }>
    & Record<"unknown" | "unknown_control" | "malformed" | "debug", Record<string, unknown>>
  >("answers");
  const value = (text: string) => ({ status: "ok", data: { "text/plain": text }, metadata: {} });
  const { value: six, none, wrong, syntax } = scene.expressions.reply.user_expressions;
  assert.deepEqual([six, none], [value("42"), value("undefined")]);
  assert.partialDeepStrictEqual(wrong, error("ReferenceError", "missing is not defined"));
  assert.partialDeepStrictEqual(
    syntax,
    error("SyntaxError", "Expression expected (line 1, column 1)"),
  );
  assert.deepEqual(scene.expressions.outputs, result("1"));
  assert.deepEqual([scene.silent.outputs, scene.silent.reply.status], [[], "ok"]);
  assert.deepEqual([scene.silent_error.outputs, scene.silent_error.reply.status], [[], "error"]);
  assert.deepEqual(scene.member.matches, ["toFixed"]);
  assert.equal(scene.inspect.found, true);
  assert.match(scene.inspect.data["text/plain"]!, /^6\b/);
  assert.deepEqual([scene.inspect_nothing.found, scene.inspect_nothing.data], [false, {}]);
  const unknown = error("UnknownRequest", "the Deno kernel does not know 'odd_request'");
  assert.partialDeepStrictEqual(scene.unknown, unknown);
  assert.partialDeepStrictEqual(scene.unknown_control, unknown);
  assert.equal(scene.malformed.status, "error");
  assert.partialDeepStrictEqual(scene.debug, { request_seq: 3, success: false });
});

Deno.test("Shift-Tab shows signature, JSDoc, type and value; Tab completes what is not run", async () => {
  const { inspected, completed } = await play<{
    inspected: Record<string, { found: boolean; data: Record<string, string> }>;
    completed: Record<string, { matches: string[]; cursor_start: number; cursor_end: number }>;
  }>("help");
  const shown = (name: string) => inspected[name]!.data["text/markdown"]!;
  assert.match(shown("library"), /loadDataset\(source: string[^]*Loads texts and their classes/);
  assert.equal(shown("inBrackets"), shown("library"));
  assert.match(shown("option"), /RowOptions\.seed\?: number[^]*Draws the rows/);
  assert.match(shown("deno"), /Deno\.readTextFile\(path[^]*entire contents of a file/);
  assert.doesNotMatch(shown("deno"), /deno:\/asset/);
  assert.match(shown("variable"), /a: number\[\];[^]*\{ a: \[ 1 \], "?é"?: 2 \}/);
  assert.match(inspected.variable!.data["text/plain"]!, /^\{ a: \[ 1 \][^]*a: number\[\];/);
  assert.match(shown("html"), /<b>5<\/b>/);
  assert.match(shown("draft"), /later: Map<number, boolean>/);
  assert.equal(inspected.nothing!.found, false);

  const found = (name: string) => {
    const { matches, cursor_start, cursor_end } = completed[name]!;
    return [matches, cursor_start, cursor_end];
  };
  assert.deepEqual(found("names"), [["loadDataset"], 9, 14]);
  assert.deepEqual(found("module"), [["lightweight-finetuning/hub"], 19, 43]);
  assert.deepEqual(found("learn"), [["learningRate"], 21, 26]);
  assert.deepEqual(completed.r!.matches.slice(0, 2), ["r", "rankPattern"]);
  assert.deepEqual(found("r").slice(1), [23, 24]);
  assert.deepEqual(found("choices")[0], ["cosine", "constant", "constant_with_warmup"]);
  const files = ["data/", 'q\\"uote.csv', "réponses 😀.csv", "two words.csv"];
  assert.deepEqual(found("files"), [files, 13, 13]);
  assert.deepEqual(found("space"), [["two words.csv"], 13, 18]);
  assert.deepEqual(found("astral"), [["réponses 😀.csv"], 18, 21]);
  assert.deepEqual(found("folder"), [["data/"], 13, 15]);
  assert.deepEqual(found("runTime"), [["kept"], 0, 2]);
  assert.deepEqual(found("own"), [["longName"], 20, 25]);
});

Deno.test("a type error is told before the cell runs, a missing import is one, and nothing else", async () => {
  const { wrong, missing, right, silent, without, found } = await play<
    & Record<"wrong" | "missing", Record<string, Run>>
    & { right: [string, Run][]; silent: Run; without: Run; found: boolean }
  >("checks");
  const warnings = (run: Run) =>
    run.outputs.filter(([kind]) => kind === "stderr").map(([, text]) => text).join("");
  assert.equal(
    warnings(wrong.assigned!),
    "Type error in line 2, column 7: Type 'string' is not assignable to type 'number'.\n",
  );
  assert.deepEqual(wrong.assigned!.outputs.map(([kind]) => kind), ["stderr", "stdout"]);
  assert.match(warnings(wrong.option!), /^Type error in line 2, .*'learningRat'.*'learningRate'/);
  assert.match(warnings(wrong.unknown!), /Cannot find name 'longName'. Did you mean 'longNames'/);
  assert.equal(warnings(wrong.many!).split("\n").length, 3 + 1);
  assert.match(warnings(wrong.column!), /line 1, column 22: Property 'a'/);

  assert.deepEqual(missing.name!.outputs.map(([kind, , evalue]) => [kind, evalue]), [[
    "error",
    "'lightweight-finetuning' exports no 'loadDatset' (line 2, column 10). Did you mean 'loadDataset'?",
  ]]);
  assert.equal(missing.name!.reply.status, "error");
  assert.match(
    missing.noneNear!.outputs.join(),
    /^error,SyntaxError,'node:path' exports no 'zork'/,
  );

  assert.deepEqual(silent.outputs, []);
  for (const [code, run] of right) {
    assert.equal(run.reply.status, "ok", `${code}: ${run.outputs}`);
    assert.equal(warnings(run), "", code);
  }
  assert.deepEqual(without.outputs, result("1"));
  assert.ok(found);
});

Deno.test("the cells of all notebooks have no type errors", async () => {
  const names = ["01-load", "02-tokenize", "03-full-finetune", "04-lora-finetune", "05-evaluate"];
  const files = names.map((name) => `${root}notebooks/${name}.ipynb`);
  const { stdout } = await new Deno.Command(`${root}.venv/bin/python`, {
    args: [`${root}test/kernel/notebooks.py`, ...files],
  }).output();
  const results: Record<string, { warnings: unknown[]; seconds: number[] }> = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  assert.deepEqual(Object.keys(results), names);
  for (const [name, { warnings }] of Object.entries(results)) assert.deepEqual(warnings, [], name);
});

Deno.test("10,000 mutated messages to all ports end nothing", async () => {
  const scene = await play<Run & { beats: boolean }>("fuzz");
  assert.deepEqual(scene.outputs, result("42"));
  assert.ok(scene.beats, "no heartbeat");
});
