// What the Markdown reader makes of the things that models write, and of those that want to harm.

import assert from "node:assert/strict";
import { test } from "node:test";

import { inline, parse, safe } from "../assets/markdown.js";

const text = (value) => ({ type: "text", text: value });
const types = (source) => parse(source).map((block) => block.type);

/** Inlines as one string, with marks that are easy to read here. */
function shown(nodes) {
  return nodes
    .map((node) => {
      switch (node.type) {
        case "text":
          return node.text;
        case "code":
          return `{${node.text}}`;
        case "break":
          return "/";
        case "link":
          return `<${node.href}|${shown(node.children)}>`;
        default:
          return `${node.type}(${shown(node.children)})`;
      }
    })
    .join("");
}

test("paragraphs, headings and rules are told apart", () => {
  assert.deepEqual(types("# A\n\ntext\nmore\n\n---\n\nend"), ["heading", "paragraph", "rule", "paragraph"]);
  assert.equal(parse("### Third ###")[0].level, 3);
  assert.equal(shown(parse("### Third ###")[0].inlines), "Third");
});

test("a code block keeps its text and language", () => {
  const [block] = parse("```rust\nfn main() {\n\n    # no heading\n}\n```\n");
  assert.deepEqual([block.type, block.language, block.text], ["code", "rust", "fn main() {\n\n    # no heading\n}"]);
});

test("a code block that is still being written goes to the end", () => {
  const [before, block] = parse("Look:\n```\na = 1\n**b**");
  assert.equal(before.type, "paragraph");
  assert.equal(block.text, "a = 1\n**b**");
});

test("a longer fence holds a shorter one", () => {
  assert.equal(parse("````\n```\nx\n```\n````")[0].text, "```\nx\n```");
});

test("lists nest, count and hold code", () => {
  const [list] = parse("3. one\n   - a\n   - b\n4. two\n\n   ```sh\n   ls\n   ```\n");
  assert.deepEqual([list.ordered, list.start, list.items.length], [true, 3, 2]);
  assert.deepEqual(list.items[0].map((block) => block.type), ["paragraph", "list"]);
  assert.equal(list.items[0][1].items.length, 2);
  assert.equal(list.items[1][1].text, "ls");
});

test("items with blank lines between them are one list", () => {
  const found = parse("- a\n\n- b\n\n- c\n\nafter");
  assert.deepEqual(found.map((block) => block.type), ["list", "paragraph"]);
  assert.deepEqual([found[0].items.length, found[0].loose], [3, true]);
});

test("tables have columns as their head has", () => {
  const [table] = parse("| a | b |\n|:--|--:|\n| 1 | `x\\|y` | 3 |\n| 2 |");
  assert.deepEqual(table.align, ["left", "right"]);
  assert.deepEqual(table.rows.map((row) => row.map(shown)), [["1", "{x|y}"], ["2", ""]]);
});

test("emphasis, code and breaks", () => {
  const cases = {
    "a **bold** and *slanted* b": "a strong(bold) and em(slanted) b",
    "***both***": "strong(em(both))",
    "**a *b* c**": "strong(a em(b) c)",
    "`**no**` and ``a`b``": "{**no**} and {a`b}",
    "snake_case_name and _yes_": "snake_case_name and em(yes)",
    "2 * 3 * 4": "2 * 3 * 4",
    "a ** b": "a ** b",
    "~~gone~~": "del(gone)",
    "\\*plain\\*": "*plain*",
    "one\ntwo": "one/two",
    "**open": "**open",
    "`open": "`open",
  };
  for (const [source, expected] of Object.entries(cases)) assert.equal(shown(inline(source)), expected, source);
});

test("links and addresses", () => {
  const cases = {
    "[a **b**](https://x.org/p?q=1)": "<https://x.org/p?q=1|a strong(b)>",
    "[w](https://en.wikipedia.org/wiki/A_(b))": "<https://en.wikipedia.org/wiki/A_(b)|w>",
    "see https://x.org/a. Then": "see <https://x.org/a|https://x.org/a>. Then",
    "(https://x.org/a)": "(<https://x.org/a|https://x.org/a>)",
    "<https://x.org/a>": "<https://x.org/a|https://x.org/a>",
    "[1] and [x]": "[1] and [x]",
  };
  for (const [source, expected] of Object.entries(cases)) assert.equal(shown(inline(source)), expected, source);
});

test("an address that runs something is no link", () => {
  for (const bad of ["javascript:alert(1)", " JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "//x.org", "/v1/me", ""]) {
    assert.equal(safe(bad), null, bad);
  }
  assert.equal(shown(inline("[x](javascript:alert(1))")), "span(x)");
});

test("HTML stays text", () => {
  assert.deepEqual(parse("<img src=x onerror=alert(1)>")[0].inlines, [text("<img src=x onerror=alert(1)>")]);
});

test("hostile nesting and repetition end soon", () => {
  const before = performance.now();
  for (const piece of ["> ", "- ", "[", "**a ", "*a _b ", "`", "``a", "|-", "  - a\n    ", "![](", "<http://", "~~a"]) {
    parse(piece.repeat(20_000));
    parse(piece.repeat(2_000));
  }
  assert.ok(performance.now() - before < 10_000);
});

test("every prefix of an answer can be read", () => {
  const whole = "# T\n\nA **b** `c` [d](https://e.f)\n\n1. x\n   ```js\n   y\n   ```\n2. z\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n> q\n";
  for (let end = 0; end <= whole.length; end += 1) assert.ok(Array.isArray(parse(whole.slice(0, end))));
});

test("the source of a block changes when the block does", () => {
  const before = parse("one\n\n```\na");
  const after = parse("one\n\n```\na\n```\n\ntwo");
  assert.equal(before[0].source, after[0].source);
  assert.notEqual(before[1].source, after[1].source);
});
