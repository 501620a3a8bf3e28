import assert from "node:assert/strict";
import pl from "nodejs-polars";
import { JSDOM } from "jsdom";
import { showTable } from "../../lib/display/table.ts";
import { inJupyter, printed } from "../helpers/jupyter.ts";

const rows = [
  { text: `<img src="x" onerror='alert(1)'> & more`, tokens: 12, share: 0.25 },
  { text: "Short", tokens: 5, share: 1 },
];

Deno.test("showTable shows escaped HTML and aligned text", async () => {
  const [message, ...others] = await inJupyter(() => showTable(rows, { title: "A < B" }));
  assert.equal(others.length, 0);
  const { data } = message!.content;
  assert.deepEqual(Object.keys(data), ["text/html", "text/plain"]);
  const html = data["text/html"]!;
  assert.deepEqual(
    new Set(html.match(/<[a-z]+/g)),
    new Set(["<table", "<caption", "<thead", "<tbody", "<tr", "<th", "<td"]),
  );
  assert.match(html, /<caption [^>]*>A &#60; B<\/caption>/);
  assert.match(html, /&#60;img src=&#34;x&#34; onerror=&#39;alert\(1\)&#39;&#62; &#38; more/);
  assert.equal(
    data["text/plain"],
    [
      "A < B",
      "text                                     tokens   share",
      `${rows[0]!.text}      12  0.2500`,
      "Short                                         5  1.0000",
    ].join("\n"),
  );
});

Deno.test("showTable prints a DataFrame outside Jupyter, cut to its first rows", async () => {
  const frame = pl.DataFrame({
    id: [1, 2, 3],
    text: ["a\n  b", "0123456789", "c"],
    value: [0.5, null, 1.25],
  });
  const text = await printed(() => showTable(frame, { decimals: 1, maxCell: 6, maxRows: 2 }));
  assert.equal(
    text,
    ["first 2 of 3 rows", "id  text    value", " 1  a b       0.5", " 2  01234…"].join("\n"),
  );
});

Deno.test("showTable names what it cannot show", async () => {
  await assert.rejects(
    showTable("rows" as unknown as []),
    new TypeError(
      "Cannot show a table as 'frame' must be a DataFrame or an array: current value is rows",
    ),
  );
});

Deno.test("showTable shows labels as they are: tags, mathematics, control characters", async () => {
  const labels = ["<b>bold</b>", "$x^2$", "\\(y\\)", "\u001b[31mred", "a|b", "&amp;", "\u202eabc"];
  const rows = [...labels, "<b>bold</b>"].map((label) => ({ label, [labels[3]!]: 1 }));
  const title = "of \u001b[31m$x$\n<i>";
  const [message] = await inJupyter(() => showTable(rows, { title }));
  const { data } = message!.content;
  const { document } = new JSDOM(data["text/html"]!).window;
  const texts = (selector: string) =>
    [...document.querySelectorAll(selector)].map((x) => x.textContent);
  const shown = [...labels, "<b>bold</b>"].map((label) =>
    label.replace("\u001b", "\\u001b").replace("\u202e", "\\u202e")
  );
  assert.deepEqual(texts("td:first-child"), shown);
  assert.deepEqual(texts("th"), ["label", "\\u001b[31mred"]);
  assert.deepEqual(texts("caption"), ["of \\u001b[31m$x$\\n<i>"]);
  // MathJax joins no text across elements.
  const nodes = document.createTreeWalker(document.body, 4);
  while (nodes.nextNode()) {
    assert.doesNotMatch(nodes.currentNode.textContent!, /\$.*\$|\\[([]/);
  }
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(data["text/plain"]!, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  assert.equal(data["text/plain"]!.split("\n").length, 2 + rows.length);
  assert.match(data["text/plain"]!, /^of \\u001b\[31m\$x\$\\n<i>\nlabel +\\u001b\[31mred\n/);
});
