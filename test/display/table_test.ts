import assert from "node:assert/strict";
import pl from "nodejs-polars";
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
