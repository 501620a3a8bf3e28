import assert from "node:assert/strict";
import { fixture } from "../helpers/reference.ts";
import { expression } from "../../lib/adapter/expression.ts";

// Written by Python: test/fixtures/expressions.py.
const TABLE: {
  names: string[];
  written: Record<string, string | null>;
  refused: string[];
  drawn: Record<string, string | null>;
} = JSON.parse(await Deno.readTextFile(fixture("expressions.json")));

/** A digit a name, 1 where an expression matches, or null if it is refused. */
function matched(source: string): string | null {
  try {
    const { test } = expression(source);
    return TABLE.names.map((name) => Number(test(name))).join("");
  } catch (error) {
    assert.ok(error instanceof SyntaxError, `${source}: ${error}`);
    assert.ok(error.message.startsWith(`Cannot match names by '${source}' as it must`), `${error}`);
    return null;
  }
}

for (const [source, expected] of Object.entries(TABLE.written)) {
  Deno.test(`'${source}' matches the names that it matches in Python`, () => {
    assert.equal(matched(source), expected);
  });
}

for (const source of TABLE.refused) {
  Deno.test(`'${source}', which JavaScript would read otherwise, is refused`, () => {
    assert.equal(matched(source), null);
  });
}

Deno.test("expressions drawn at random match as in Python, or are refused", () => {
  const ofPythonAlone = /[*+?}]\+|\(\?[=!].*\)[*+?{]/;
  const different = Object.entries(TABLE.drawn).filter(([source, expected]) => {
    const isRefused = matched(source) === null && ofPythonAlone.test(source);
    return !isRefused && matched(source) !== expected;
  });
  assert.deepEqual(different, []);
  const accepted = Object.keys(TABLE.drawn).filter((source) => matched(source) !== null);
  assert.ok(accepted.length > 500, `${accepted.length}`);
});

for (const source of ["(.*)*,", "(a|a)*,", "(?:(?:.+)+)+,", "(?:.{0,1000}){0,1000}x"]) {
  Deno.test(`'${source}' ends with an error, whatever names follow`, () => {
    const start = performance.now();
    for (const letter of ["a", "b", "c"]) {
      assert.throws(() => expression(source).test(letter.repeat(60)), {
        name: "SyntaxError",
        message: /^Cannot match names by '.*' as it must take less than 2000 ms for all names/,
      });
    }
    assert.ok(performance.now() - start < 60_000);
  });
}

Deno.test("groups() gives what named groups hold", () => {
  const { groups } = expression("(?P<before>.*?)layer\\.(?P<index>\\d+).*");
  assert.deepEqual(groups("a.layer.12.b"), { before: "a.", index: "12" });
  assert.equal(groups("a.b"), undefined);
});
