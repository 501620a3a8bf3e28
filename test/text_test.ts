import assert from "node:assert/strict";
import { parse } from "yaml";
import { HOSTILE } from "./helpers/hostile.ts";
import { escapeMarkdown, markdownCode, toYaml, visible } from "../lib/text.ts";

Deno.test("visible() shows control characters as escapes, and leaves other texts alone", () => {
  const shown = ["a\nb", "\u001b[31mred", "\u007f", "\u0085", "\u202egnp.exe", "\ud800", "\t"];
  assert.deepEqual(
    shown.map(visible),
    ["a\\nb", "\\u001b[31mred", "\\u007f", "\\u0085", "\\u202egnp.exe", "\\ud800", "\\t"],
  );
  for (const text of ["Sci/Tech", "日本語", "🎉", "naïve", "<b>", "a\\b"]) {
    assert.equal(visible(text), text);
  }
});

Deno.test("toYaml() writes values that a YAML parser reads back, whatever they hold", () => {
  for (const name of HOSTILE) {
    const yaml = `base_model: ${toYaml(name)}\ntags: ${toYaml([name, { name }])}\n`;
    for (const version of ["1.1", "1.2"] as const) {
      assert.deepEqual(parse(yaml, { version }), { base_model: name, tags: [name, { name }] });
    }
    assert.equal(yaml.split("\n").length, 3);
  }
});

Deno.test("escapeMarkdown() leaves nothing for Markdown to read", () => {
  assert.equal(escapeMarkdown("Sci/Tech (2)"), "Sci/Tech (2)");
  assert.equal(escapeMarkdown("a|b *c* `d`\n# <e>"), "a\\|b \\*c\\* \\`d\\`\\\\n\\# \\<e\\>");
  assert.equal(escapeMarkdown("$x$ [l](u) &amp;"), "\\$x\\$ \\[l\\](u) \\&amp;");
});

Deno.test("markdownCode() fences a text with more backticks than it holds", () => {
  assert.deepEqual(
    ["a", "a`b", "``", "`", "a\n\n# b", " a "].map(markdownCode),
    ["`a`", "``a`b``", "``` `` ```", "`` ` ``", "`a\\n\\n# b`", "`  a  `"],
  );
});
