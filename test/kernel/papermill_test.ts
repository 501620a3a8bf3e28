import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { deserialize } from "node:v8";
import { type Notebook, notebookOf, root, textOf } from "../helpers/notebook.ts";

/**
 * Runs papermill on a notebook whose first cell declares its parameters, in a folder with a name
 * that paths and addresses must escape.
 */
async function papermill(cells: string[], ...options: string[]) {
  const folder = await Deno.makeTempDir({ prefix: "a #b %20 é " });
  try {
    const notebook = JSON.parse(notebookOf(cells));
    notebook.cells[0].metadata.tags = ["parameters"];
    await Deno.writeTextFile(`${folder}/in.ipynb`, JSON.stringify(notebook));
    const { code, stdout, stderr } = await new Deno.Command(`${root}.venv/bin/papermill`, {
      args: [...options, "in.ipynb", "out.ipynb"],
      cwd: folder,
      env: { LC_ALL: "C.UTF-8" },
    }).output();
    const [said, log] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    const written = await Deno.readTextFile(`${folder}/out.ipynb`).catch(() => `{"cells":[]}`);
    // papermill notes the parameters in the notebook's metadata, as Python writes JSON.
    const json = written.replace(/: (NaN|-?Infinity)(?=,?\n)/g, ": null");
    const out: Notebook["cells"] = JSON.parse(json).cells;
    return { code, said: said!, log: log!, out };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const VALUES: Record<string, unknown> = {
  yes: true,
  no: false,
  whole: -9007199254740991,
  fraction: 0.1,
  small: 5e-324,
  minusZero: -0,
  none: undefined,
  notANumber: NaN,
  infinite: Infinity,
  minusInfinite: -Infinity,
  text: `"'\`\\\${1 + 1}\n\r\t\0\u2028\u2029</script> 😀 é`,
  list: [1, [true, "a"], undefined, []],
  map: { "a b": { "😀": [undefined] }, "0": -1.5, constructor: "own", ["__proto__"]: 1, empty: {} },
};

/** The value in YAML, which is JSON but for what JSON lacks. */
function yaml(value: unknown): string {
  if (value === undefined) return "null";
  if (Object.is(value, -0)) return "-0.0";
  if (value === 5e-324) return "5.0e-324";
  if (typeof value === "number" && !Number.isFinite(value)) {
    return Number.isNaN(value) ? ".nan" : value > 0 ? ".inf" : "-.inf";
  }
  if (Array.isArray(value)) return `[${value.map(yaml).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const items = Object.entries(value).map(([name, item]) =>
    `${JSON.stringify(name)}: ${yaml(item)}`
  );
  return `{${items.join(", ")}}`;
}

Deno.test("papermill sets parameters of each type to exactly what was given", async () => {
  const names = Object.keys(VALUES);
  const { code, log, out } = await papermill(
    [
      `let ${names.map((name) => `${name}: unknown = "default"`).join(";\nlet ")};`,
      `import { serialize } from "node:v8";\nconsole.log(serialize([${
        names.join(", ")
      }]).toString("base64"));`,
    ],
    ...["-y", yaml(VALUES)],
  );
  assert.equal(code, 0, log);
  assert.doesNotMatch(log, /unknown parameter/);
  const [declared, injected, used] = out;
  assert.equal(textOf(declared!), "");
  assert.equal(textOf(injected!), "");
  assert.deepEqual(deserialize(Buffer.from(textOf(used!), "base64")), Object.values(VALUES));
});

Deno.test("papermill -p sets numbers, truth values, None and text", async () => {
  const { code, log, out } = await papermill(
    [
      "let learningRate = 1e-4;\nlet r = 8;\nlet merge = false;\nlet limit: number | undefined = 1;\n" +
      'let name = "";\nlet id: string | number = 0;',
      "for (const line of [learningRate, r, merge, limit, name, typeof id]) console.log(line);",
      ...Array.from({ length: 20 }, (_, cell) => `console.log("cell", ${cell}); ${cell}`),
    ],
    ...["-p", "learningRate", "3e-4", "-p", "r", "16", "-p", "merge", "True"],
    ...["-p", "limit", "None", "-p", "name", "a b", "-r", "id", "7"],
  );
  assert.equal(code, 0, log);
  assert.equal(
    [out[1]!.source].flat().join(""),
    "// Parameters\nlearningRate = 0.0003;\nr = 16;\nmerge = true;\nlimit = undefined;\n" +
      'name = "a b";\nid = "7";\nundefined;\n',
  );
  assert.equal(textOf(out[2]!), "0.0003\n16\ntrue\nundefined\na b\nstring");
  for (const [cell, { execution_count }] of out.entries()) assert.equal(execution_count, cell + 1);
  assert.deepEqual(
    out.slice(3).map(textOf),
    Array.from({ length: 20 }, (_, cell) => `cell ${cell}\n${cell}`),
  );
});

Deno.test("papermill fails at a parameter that the notebook lacks, and names it", async () => {
  const { code, log, out } = await papermill(
    ["let learningRate = 1e-4;", "console.log(learningRate);"],
    ...["-p", "learningrate", "3e-4"],
  );
  assert.equal(code, 1);
  assert.match(log, /^Passed unknown parameter: learningrate$/m);
  assert.match(log, /^ReferenceError: learningrate is not defined$/m);
  const last = out.at(-1)!;
  assert.equal(last.execution_count, null);
  assert.deepEqual(last.outputs, []);
});

Deno.test("papermill refuses a whole number that JavaScript would round", async () => {
  const { code, log, out } = await papermill(["let seed = 1;"], "-p", "seed", "9007199254740993");
  assert.equal(code, 1);
  assert.match(
    log,
    /^ValueError: Cannot pass a parameter as .*: current value is 9007199254740993\./m,
  );
  assert.deepEqual(out, []);
});

Deno.test("papermill --help-notebook lists names, types, defaults and meaning", async () => {
  const cell = `// What to train on.
let data = defaults.data; // your own: "reviews.csv"
let r: number = 8; // rank
const x = 1;
let site = "https://a.b/c;d"; // where; "text"

let labels: string[] = [
  "a=1", // the first
  "b;",
]; /* in order */
let scale: (x: number) => number = (x) => {
  let inner = 2;
  return inner * x;
};
let names: Record<string, number> | undefined
var quick = r > 4
  ? true
  : false
// let old = 1;
console.log("let none = 1;");`;
  const { code, said, log } = await papermill([cell], "--help-notebook");
  assert.equal(code, 0, log);
  assert.deepEqual(said.split("\n").slice(3, -1).map((line) => line.replace(/ {3,}/g, " | ")), [
    "  data: Unknown type (default defaults.data)",
    ' | your own: "reviews.csv"',
    "  r: number (default 8) | rank",
    "  x: Unknown type (default 1) | ",
    '  site: Unknown type (default "https://a.b/c;d")',
    ' | where; "text"',
    '  labels: string[] (default [ "a=1", "b;", ])',
    " | in order",
    "  scale: (x: number) => number (default (x) => { let inner = 2; return inner * x; })",
    "  names: Record<string, number> | undefined (default undefined)",
    "  quick: Unknown type (default r > 4 ? true : false)",
  ]);
});

Deno.test("set-up installs the translator as a package, whatever the folder's name", async () => {
  const folder = await Deno.makeTempDir({ prefix: "a #b %20 é " });
  const run = async (command: string, ...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(command, { args }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout);
  };
  await run(`${root}.venv/bin/python`, "-m", "venv", "--without-pip", folder);
  await Deno.writeTextFile(`${folder}/bin/deno`, "");
  const python = `${folder}/bin/python`;
  for (let times = 0; times < 2; times++) await run(python, `${root}kernel/install.py`);
  const code = `
from importlib.metadata import distribution, entry_points
print(*entry_points(group="papermill.engine"))
print(*(file for file in distribution("deno-papermill").files if not file.locate().exists()))`;
  assert.equal(
    await run(python, "-c", code),
    "EntryPoint(name='deno', value='papermill_translator:Engine', group='papermill.engine')\n\n",
  );
  await Deno.remove(folder, { recursive: true });
});
